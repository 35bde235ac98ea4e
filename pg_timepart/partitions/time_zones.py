"""Moments and local days in a time zone, and the limits of the calendar. Pure.

Every datetime that comes back is aware and in UTC, but for ``in_zone``.
"""

from __future__ import annotations

from bisect import bisect_left
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pg_timepart.errors import InvalidPolicy, UnknownName

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

FOR_EVER = datetime(9999, 12, 30, tzinfo=UTC)
"""A moment for "without end", or for one that datetime cannot hold; every zone can show it."""


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
    with calendar_limits():
        return first_instant(datetime.combine(day, datetime.min.time()), zone)


def day_at(moment: datetime, zone: tzinfo) -> date:
    """Return the latest day that has begun in ``zone`` at ``moment``.

    It is the local date, except where clocks went back over midnight: the day that began at the
    first midnight goes on. Raises InvalidPolicy as start_of_day.
    """
    moment = in_utc(moment)
    day = _local_date(moment, zone)
    while start_of_day(tomorrow := day_after(day), zone) <= moment:
        day = tomorrow
    return day


def day_starting_at(moment: datetime, zone: tzinfo) -> date | None:
    """Return the day that starts in ``zone`` exactly at ``moment``, or None if none does."""
    day = _local_date(in_utc(moment), zone)
    return day if start_of_day(day, zone) == moment else None


def day_after(day: date) -> date:
    """Return the next day; raise InvalidPolicy if there is none in the calendar."""
    with calendar_limits():
        return day + timedelta(days=1)


def in_utc(moment: datetime) -> datetime:
    """Return the same instant in UTC; raise InvalidPolicy if ``moment`` is naive."""
    if moment.tzinfo is UTC:
        return moment
    if moment.utcoffset() is None:
        raise InvalidPolicy(f"The moment {moment} has no time zone; an aware datetime is needed.")
    with calendar_limits():
        return moment.astimezone(UTC)


def refuse_no_moment(name: str, given: object) -> None:
    """Raise InvalidPolicy if what is given as ``name`` is no datetime, such as a date or a text."""
    if not isinstance(given, datetime):
        raise InvalidPolicy(f"{name} must be an aware datetime, not {given!r}.")


def representable(name: str, moment: datetime, zone: tzinfo) -> datetime:
    """Return ``moment``, given as ``name``, if it can be stored and shown in ``zone``.

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


def first_instant(wall: datetime, zone: tzinfo) -> datetime:
    """Return when the zone's clocks show ``wall`` (naive, with fold), or else jump past it."""
    moment = wall.replace(tzinfo=zone).astimezone(UTC)
    return moment if _wall_clock(moment, zone) == wall else _end_of_gap(wall, zone)


@contextmanager
def calendar_limits() -> Iterator[None]:
    """Raise InvalidPolicy where datetime raises OverflowError, or ValueError for a bare date."""
    try:
        yield
    except (OverflowError, ValueError) as error:
        raise InvalidPolicy("A date that is needed is outside the years 1 to 9999.") from error


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
    with calendar_limits():
        return moment.astimezone(zone).date()


def _wall_clock(moment: datetime, zone: tzinfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)
