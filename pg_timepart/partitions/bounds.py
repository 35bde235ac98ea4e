"""Bounds of a partition: as moments, and as the literals that the server has. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from pg_timepart.errors import InvalidPolicy
from pg_timepart.partitions.time_zones import in_utc

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_FOR_VALUES = re.compile(r"FOR VALUES FROM \((?P<lower>.+)\) TO \((?P<upper>.+)\)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The range ``[start, end)`` of a partition. Datetimes are kept in UTC.

    ``start == end`` is allowed, because a date key can have a partition for a day that the zone
    skipped; ``Period`` never makes one. Raises InvalidPolicy for a naive datetime or if the end
    is before the start.
    """

    start: datetime | None
    """First instant inside; None is MINVALUE, from the beginning of time."""

    end: datetime | None
    """First instant after; None is MAXVALUE, without end."""

    def __post_init__(self) -> None:
        for side in ("start", "end"):
            value = getattr(self, side)
            if value is not None:
                object.__setattr__(self, side, in_utc(value))
        if self.start is not None and self.end is not None and self.end < self.start:
            raise InvalidPolicy(ends_before_start(self.start, self.end))

    def contains(self, moment: datetime) -> bool:
        """Return whether a row with this key belongs to these bounds."""
        moment = in_utc(moment)
        return (self.start is None or self.start <= moment) and (
            self.end is None or moment < self.end
        )

    def overlaps(self, other: Bounds) -> bool:
        """Return whether some instant is inside both; ranges that only touch do not overlap."""
        return _begins_before(self.start, other.end) and _begins_before(other.start, self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundLiterals:
    """Both bounds of a partition as text, without quotes; a KeyFormat writes and reads them."""

    lower: str | None
    """None is MINVALUE."""

    upper: str | None
    """None is MAXVALUE."""


def literals_in(expression: str | None) -> BoundLiterals | None:
    """Return the literals in what ``pg_get_expr`` prints for a range partition by one key.

    None for any other partition, such as a default one.
    """
    match = _FOR_VALUES.match(expression or "")
    if match is None:
        return None
    lower, upper = match["lower"], match["upper"]
    return BoundLiterals(
        lower=None if lower == "MINVALUE" else lower.strip("'"),
        upper=None if upper == "MAXVALUE" else upper.strip("'"),
    )


def in_order(bounds: Bounds | None) -> tuple[bool, bool, datetime, bool, datetime]:
    """Return the sort key of bounds: by start, then by end; a default partition (None) is last."""
    start, end = (bounds.start, bounds.end) if bounds else (None, None)
    return bounds is None, start is not None, start or EPOCH, *by_end(end)


def by_end(end: datetime | None) -> tuple[bool, datetime]:
    """Return the sort key of an end: None, which is MAXVALUE, is last."""
    return end is None, end or EPOCH


def ends_before_start(start: datetime, end: datetime) -> str:
    """Return the sentence of the error for a range whose end is before its start."""
    return f"A range ends at {end}, before it starts at {start}."


def _begins_before(start: datetime | None, end: datetime | None) -> bool:
    return start is None or end is None or start < end
