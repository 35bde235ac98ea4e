"""Bounds: the range of moments whose rows a partition holds. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pg_timepart.errors import InvalidPolicy
from pg_timepart.partitions.time_zones import in_utc


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
        """Return whether a row with this key belongs here."""
        moment = in_utc(moment)
        return (self.start is None or self.start <= moment) and (
            self.end is None or moment < self.end
        )

    def overlaps(self, other: Bounds) -> bool:
        """Return whether some instant is inside both; ranges that only touch do not overlap."""
        return _begins_before(self.start, other.end) and _begins_before(other.start, self.end)


def ends_before_start(start: datetime, end: datetime) -> str:
    """Return the sentence of the error for a range whose end is before its start."""
    return f"A range ends at {end}, before it starts at {start}."


def _begins_before(start: datetime | None, end: datetime | None) -> bool:
    return start is None or end is None or start < end
