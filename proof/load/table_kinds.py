"""Kinds of partitioned tables that rotate under load."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pg_timepart.constants import PeriodType


@dataclass(frozen=True, slots=True, kw_only=True)
class TableKind:
    """What a table is like, and what is wanted of it."""

    period: PeriodType
    size: int = 1
    """Periods in one partition."""

    length: timedelta
    """How long a partition is at least."""

    has_account: bool = False
    """Whether a foreign key refers to a table that the application writes to all the time."""

    is_by_id: bool = False
    """Whether the key is the id, a version 7 UUID, instead of the time of the row."""

    moves: bool = False
    """Whether what is detached moves to the archive, where the server can have one."""

    drops: bool = False
    """Whether what is detached is dropped after its grace."""

    def __str__(self) -> str:
        unit = self.period.value.lower()
        parts = [
            unit if self.size == 1 else f"{self.size} {unit}s",
            *(["version 7 UUIDs"] if self.is_by_id else []),
            *(["foreign key"] if self.has_account else []),
            *(["moves"] if self.moves else []),
            *(["drops"] if self.drops else []),
        ]
        return ", ".join(parts)


KINDS = (
    TableKind(period=PeriodType.Minute, length=timedelta(minutes=1), has_account=True, moves=True),
    TableKind(
        period=PeriodType.Minute,
        length=timedelta(minutes=1),
        is_by_id=True,
        moves=True,
        drops=True,
    ),
    TableKind(period=PeriodType.Day, length=timedelta(days=1), has_account=True, drops=True),
    TableKind(period=PeriodType.Hour, length=timedelta(hours=1)),
    TableKind(period=PeriodType.Minute, size=2, length=timedelta(minutes=2), moves=True),
    TableKind(
        period=PeriodType.Month,
        length=timedelta(days=28),
        has_account=True,
        moves=True,
        drops=True,
    ),
    TableKind(period=PeriodType.Hour, size=6, length=timedelta(hours=6), has_account=True),
    TableKind(period=PeriodType.Week, length=timedelta(days=7), moves=True),
)


def kind_of(number: int) -> TableKind:
    """Return the kind of the table of this number: each in turn."""
    return KINDS[number % len(KINDS)]
