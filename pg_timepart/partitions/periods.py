"""The calendar: which period holds an instant, and where its bounds are. Pure.

Periods below a day are cut on UTC, counted from 1970-01-01T00:00Z. Days and longer are cut where
a local date begins in the zone: days and weeks counted from a Monday, months, quarters and years
by month number since year 0. The anchors are fixed, so the same instant is always in the same
bounds, whoever asks and when. Every datetime that comes back is aware and in UTC.
"""

from __future__ import annotations

from bisect import bisect_left
from calendar import monthrange
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pg_timepart.constants import PeriodType
from pg_timepart.errors import InvalidPolicy, UnknownName

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FOR_EVER = datetime(9999, 12, 30, tzinfo=UTC)
"""Stands for a moment without end, or one that datetime cannot hold; every zone can show it."""

MONDAY = date(1970, 1, 5).toordinal()
MAX_COUNT = 10_000

SECONDS = {PeriodType.Minute: 60, PeriodType.Hour: 3600}
DAYS = {PeriodType.Day: 1, PeriodType.Week: 7}
MONTHS = {PeriodType.Month: 1, PeriodType.Quarter: 3, PeriodType.Year: 12}
SIZES = SECONDS | DAYS | MONTHS


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
            raise InvalidPolicy(_backwards(self.start, self.end))

    def contains(self, moment: datetime) -> bool:
        """Return whether a row with this key belongs here."""
        moment = in_utc(moment)
        return (self.start is None or self.start <= moment) and (
            self.end is None or moment < self.end
        )

    def overlaps(self, other: Bounds) -> bool:
        """Return whether some instant is inside both; ranges that only touch do not overlap."""
        return _begins_before(self.start, other.end) and _begins_before(other.start, self.end)


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
        object.__setattr__(self, "unit", _known_unit(self.unit))
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
        with _calendar_limits():
            if self.is_subday:
                return moment + self._size * steps * timedelta(seconds=1)
            local = moment.astimezone(zone)
            day = self._shifted_day(local.date(), steps)
            return _instant(datetime.combine(day, local.time()), zone)

    def cut(self, start: datetime, end: datetime, zone: tzinfo) -> Iterator[Bounds]:
        """Return the contiguous pieces of ``[start, end)``, cut at the aligned boundaries.

        The first and the last may be parts of a period; nothing comes back where start equals
        end. Raises InvalidPolicy if the end is before the start, and as bounds_at.
        """
        start, end = in_utc(start), in_utc(end)
        if end < start:
            raise InvalidPolicy(_backwards(start, end))
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
        with _calendar_limits():
            start = EPOCH + (moment - EPOCH) // step * step
            return start, start + step

    def _index(self, day: date) -> int:
        """Return the number of the period that holds ``day``, counted from the anchor."""
        if self.unit in MONTHS:
            return _month_number(day) // self._size
        return (day.toordinal() - MONDAY) // self._size

    def _first_day(self, index: int) -> date:
        with _calendar_limits():
            if self.unit in MONTHS:
                return _month_from(index * self._size)
            return date.fromordinal(MONDAY + index * self._size)

    def _shifted_day(self, day: date, steps: int) -> date:
        if self.unit in MONTHS:
            first = _month_from(_month_number(day) + steps * self._size)
            return first.replace(day=min(day.day, monthrange(first.year, first.month)[1]))
        return date.fromordinal(day.toordinal() + steps * self._size)


def zone_named(name: str) -> ZoneInfo:
    """Return the time zone of this IANA name; raise UnknownName with the closest names if none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: "Europe" is a folder
        alike = get_close_matches(name, available_timezones())
        known = [*alike, "every name in the IANA time zone database"]
        raise UnknownName("time zone", name, known) from error


@lru_cache(maxsize=8192)
def start_of_day(day: date, zone: tzinfo) -> datetime:
    """Return the first instant (UTC) whose local date in ``zone`` is ``day`` or later.

    That is the first of two midnights, the end of the gap where midnight is skipped, and the
    start of the following day where the whole day is. Raises InvalidPolicy outside the years
    1 to 9999.
    """
    with _calendar_limits():
        return _instant(datetime.combine(day, datetime.min.time()), zone)


def day_at(moment: datetime, zone: tzinfo) -> date:
    """Return the latest day that has begun in ``zone`` at ``moment``.

    It is the local date, except where clocks went back over midnight: the day that began at the
    first midnight goes on. Raises InvalidPolicy as start_of_day.
    """
    moment = in_utc(moment)
    day = _local_date(moment, zone)
    while start_of_day(tomorrow := _day_after(day), zone) <= moment:
        day = tomorrow
    return day


def day_starting_at(moment: datetime, zone: tzinfo) -> date | None:
    """Return the day that starts in ``zone`` exactly at ``moment``, or None if none does."""
    day = _local_date(in_utc(moment), zone)
    return day if start_of_day(day, zone) == moment else None


def in_utc(moment: datetime) -> datetime:
    """Return the same instant in UTC; raise InvalidPolicy if ``moment`` is naive."""
    if moment.tzinfo is UTC:
        return moment
    if moment.utcoffset() is None:
        raise InvalidPolicy(f"The moment {moment} has no time zone; an aware datetime is needed.")
    with _calendar_limits():
        return moment.astimezone(UTC)


def representable(name: str, moment: datetime, zone: tzinfo) -> datetime:
    """Return ``moment``, which somebody gave as ``name``, if it can be kept and shown in ``zone``.

    Raises InvalidPolicy where it is naive, or outside the years 1 to 9999 there or in UTC.
    """
    if moment.utcoffset() is None:
        raise InvalidPolicy(f"{name} must be aware; {moment} has no time zone.")
    try:
        moment.astimezone(UTC).astimezone(zone)
    except OverflowError as error:
        raise InvalidPolicy(
            f"{name} must be within the years 1 to 9999 in UTC, and in {zone}; {moment} is not."
        ) from error
    return moment


def in_zone(moment: datetime, zone: tzinfo) -> datetime:
    """Return the moment as the zone's clocks show it, or in UTC at the edges of the calendar."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment.astimezone(UTC)


def _instant(wall: datetime, zone: tzinfo) -> datetime:
    """Return when the zone's clocks show ``wall`` (naive, with fold), or else jump past it."""
    moment = wall.replace(tzinfo=zone).astimezone(UTC)
    return moment if _wall_clock(moment, zone) == wall else _end_of_gap(wall, zone)


def _end_of_gap(wall: datetime, zone: tzinfo) -> datetime:
    """Return the instant at which the zone's clocks jump over ``wall``.

    Python reads a skipped time with the offset before the jump for fold 0, and with the one
    after it for fold 1 (PEP 495): the first instant is after the jump, the second before it.
    Jumps happen at whole seconds.
    """
    before = wall.replace(tzinfo=zone, fold=1, microsecond=0).astimezone(UTC)
    after = wall.replace(tzinfo=zone, fold=0, microsecond=0).astimezone(UTC)

    def has_jumped(seconds: int) -> bool:
        return _wall_clock(before + timedelta(seconds=seconds), zone) >= wall

    span = int((after - before).total_seconds())
    return before + timedelta(seconds=bisect_left(range(span), True, key=has_jumped))


def _local_date(moment: datetime, zone: tzinfo) -> date:
    with _calendar_limits():
        return moment.astimezone(zone).date()


def _wall_clock(moment: datetime, zone: tzinfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def _begins_before(start: datetime | None, end: datetime | None) -> bool:
    return start is None or end is None or start < end


def _backwards(start: datetime, end: datetime) -> str:
    return f"A range ends at {end}, before it starts at {start}."


def _known_unit(unit: str) -> PeriodType:
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


def _day_after(day: date) -> date:
    with _calendar_limits():
        return day + timedelta(days=1)


@contextmanager
def _calendar_limits() -> Iterator[None]:
    """Say in a sentence what datetime reports as OverflowError, or ValueError for a bare date."""
    try:
        yield
    except (OverflowError, ValueError) as error:
        raise InvalidPolicy("A date that is needed is outside the years 1 to 9999.") from error
