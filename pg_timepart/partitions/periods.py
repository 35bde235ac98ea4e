"""Period: the size of one partition, and which aligned bounds hold a moment. Pure.

Periods below a day are cut on UTC, counted from 1970-01-01T00:00Z. Days and longer are cut where
a local date begins in the zone: days and weeks counted from a Monday, months, quarters and years
by month number since year 0. The anchors are fixed, so the same instant is always in the same
bounds, whoever asks and when. Every datetime that comes back is aware and in UTC.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from pg_timepart.constants import PeriodType
from pg_timepart.errors import InvalidPolicy
from pg_timepart.partitions.bounds import EPOCH, Bounds, ends_before_start
from pg_timepart.partitions.time_zones import (
    calendar_limits,
    day_at,
    first_instant,
    in_utc,
    start_of_day,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

MONDAY = date(1970, 1, 5).toordinal()
MAX_COUNT = 10_000

SECONDS = {PeriodType.Minute: 60, PeriodType.Hour: 3600}
DAYS = {PeriodType.Day: 1, PeriodType.Week: 7}
MONTHS = {PeriodType.Month: 1, PeriodType.Quarter: 3, PeriodType.Year: 12}
SIZES = SECONDS | DAYS | MONTHS


@dataclass(frozen=True, slots=True)
class Period:
    """The size of one partition: ``Period(PeriodType.Hour, 6)`` is six hours.

    Raises InvalidPolicy for an unknown unit, or a count that is not from 1 to 10000.
    """

    unit: PeriodType
    """What is counted. The plain word (``"Hour"``) is taken as well."""

    count: int = 1
    """How many units one partition spans."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "unit", unit_named(self.unit))
        if type(self.count) is not int:
            raise InvalidPolicy(f"A period's count must be a whole number, not {self.count!r}.")
        if not 1 <= self.count <= MAX_COUNT:
            raise InvalidPolicy(f"A period's count must be 1 to {MAX_COUNT}, not {self.count}.")

    @property
    def is_subday(self) -> bool:
        """Whether the unit is below a day: cut on UTC, whatever the zone."""
        return self.unit in SECONDS

    def bounds_at(self, moment: datetime, zone: tzinfo) -> Bounds:
        """Return the aligned bounds that hold ``moment``; never empty, always finite.

        Raises InvalidPolicy if ``moment`` is naive or a bound is outside the years 1 to 9999.
        """
        start, end = self._edges(moment, zone)
        return Bounds(start=start, end=end)

    def next_boundary(self, moment: datetime, zone: tzinfo) -> datetime:
        """Return the first aligned boundary strictly after ``moment``. Raises as bounds_at."""
        return self._edges(moment, zone)[1]

    def shift(self, moment: datetime, steps: int, zone: tzinfo) -> datetime:
        """Return ``moment`` moved by ``steps`` periods, which may be negative.

        Below a day this is plain UTC arithmetic. Otherwise the wall clock of the zone keeps its
        time of day: 31 January plus a month is the last of February, and a time that the zone
        skips becomes the instant of the jump. Raises as bounds_at.
        """
        moment = in_utc(moment)
        with calendar_limits():
            if self.is_subday:
                return moment + self._size * steps * timedelta(seconds=1)
            local = moment.astimezone(zone)
            day = self._shifted_day(local.date(), steps)
            return first_instant(datetime.combine(day, local.time()), zone)

    def cut(self, start: datetime, end: datetime, zone: tzinfo) -> Iterator[Bounds]:
        """Return the contiguous pieces of ``[start, end)``, cut at the aligned boundaries.

        The first and the last may be parts of a period; nothing comes back where start equals
        end. Raises InvalidPolicy if the end is before the start, and as bounds_at.
        """
        start, end = in_utc(start), in_utc(end)
        if end < start:
            raise InvalidPolicy(ends_before_start(start, end))
        return self._pieces(start, end, zone)

    def _pieces(self, start: datetime, end: datetime, zone: tzinfo) -> Iterator[Bounds]:
        while start < end:
            boundary = min(self.next_boundary(start, zone), end)
            yield Bounds(start=start, end=boundary)
            start = boundary

    @property
    def _size(self) -> int:
        """Seconds, days or months in one period, as its unit is counted."""
        return self.count * SIZES[self.unit]

    def _edges(self, moment: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
        if self.is_subday:
            return self._edges_in_utc(in_utc(moment))
        index = self._index(day_at(moment, zone))
        return (
            start_of_day(self._first_day(index), zone),
            start_of_day(self._first_day(index + 1), zone),
        )

    def _edges_in_utc(self, moment: datetime) -> tuple[datetime, datetime]:
        step = timedelta(seconds=self._size)
        with calendar_limits():
            start = EPOCH + (moment - EPOCH) // step * step
            return start, start + step

    def _index(self, day: date) -> int:
        """Return the number of the period that holds ``day``, counted from the anchor."""
        if self.unit in MONTHS:
            return _month_number(day) // self._size
        return (day.toordinal() - MONDAY) // self._size

    def _first_day(self, index: int) -> date:
        with calendar_limits():
            if self.unit in MONTHS:
                return _month_from(index * self._size)
            return date.fromordinal(MONDAY + index * self._size)

    def _shifted_day(self, day: date, steps: int) -> date:
        if self.unit in MONTHS:
            first = _month_from(_month_number(day) + steps * self._size)
            return first.replace(day=min(day.day, monthrange(first.year, first.month)[1]))
        return date.fromordinal(day.toordinal() + steps * self._size)


def period_in_words(unit: str, count: int) -> str:
    """Return a size as people write it, ``1 month`` or ``15 minutes``, whatever is in a row."""
    return f"{count} {unit.lower()}{'' if count == 1 else 's'}"


def unit_named(unit: str) -> PeriodType:
    """Return the unit of this word; raises InvalidPolicy."""
    try:
        return PeriodType(unit)
    except ValueError as error:
        known = ", ".join(PeriodType.values)
        raise InvalidPolicy(f"There is no period {unit!r}. Known: {known}.") from error


def _month_number(day: date) -> int:
    return day.year * 12 + day.month - 1


def _month_from(number: int) -> date:
    year, month = divmod(number, 12)
    return date(year, month + 1, 1)
