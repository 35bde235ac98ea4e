"""Kinds of partition key: one object turns a moment into a literal, and back. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import MAXYEAR, date, datetime
from typing import TYPE_CHECKING, ClassVar, Protocol

from pg_timepart.errors import InvalidPolicy
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.time_zones import day_starting_at, in_utc, start_of_day

if TYPE_CHECKING:
    from datetime import tzinfo

    from pg_timepart.partitions.periods import Period


class KeyKind(Protocol):
    """What the rest of the package asks of a key's type."""

    @property
    def sql_type(self) -> str:
        """The type as ``format_type`` prints it."""

    def literal(self, moment: datetime, zone: tzinfo) -> str:
        """Return the text of ``moment`` for ``FOR VALUES``, without quotes.

        Raises InvalidPolicy if the key cannot express the moment, or the moment is naive.
        """

    def moment(self, text: str, zone: tzinfo) -> datetime | None:
        """Return in UTC what a bound says that ``pg_get_expr`` printed in the ISO DateStyle.

        None is a bound beyond what datetime can hold: ``infinity``, ``-infinity``, before the
        year 1 or after 9999. Raises InvalidPolicy for text in any other form.
        """

    def check_period(self, period: Period) -> None:
        """Raise InvalidPolicy if the key cannot be cut into periods of this size."""


@dataclass(frozen=True, slots=True)
class TimestampKey:
    """A ``DateTimeField``: ``timestamp with time zone``. Literals are written in UTC."""

    sql_type: ClassVar[str] = "timestamp with time zone"

    def literal(self, moment: datetime, zone: tzinfo) -> str:  # noqa: ARG002
        """Return such as ``2024-01-01 00:00:00+00:00``, the same whatever the zone."""
        return in_utc(moment).isoformat(" ")

    def moment(self, text: str, zone: tzinfo) -> datetime | None:  # noqa: ARG002
        """Return the instant; the offset in ``text`` rules, not the zone."""
        if _is_beyond_datetime(text):
            return None
        try:
            written = datetime.fromisoformat(text)
        except ValueError as error:
            raise _unreadable(self, text) from error
        if written.tzinfo is None:
            raise _unreadable(self, text)
        return _in_utc_or_beyond(written)

    def check_period(self, period: Period) -> None:
        """Accept every period."""


@dataclass(frozen=True, slots=True)
class DateKey:
    """A ``DateField``: ``date``. A bound is the start of that day in the zone.

    A day that the zone skipped has no start of its own: it shares the next day's. Written bounds
    then name the next day, so that what is contiguous as moments is so in the table too.
    """

    sql_type: ClassVar[str] = "date"

    def literal(self, moment: datetime, zone: tzinfo) -> str:
        """Return such as ``2024-01-01``; ``moment`` must be the start of a day in the zone."""
        day = day_starting_at(in_utc(moment), zone)
        if day is None:
            raise InvalidPolicy(
                f"A date key needs bounds that are starts of days in {zone}; {moment} is not."
            )
        return day.isoformat()

    def moment(self, text: str, zone: tzinfo) -> datetime | None:
        """Return the start of that day in the zone."""
        if _is_beyond_datetime(text):
            return None
        try:
            day = date.fromisoformat(text)
        except ValueError as error:
            raise _unreadable(self, text) from error
        return _start_or_beyond(day, zone)

    def check_period(self, period: Period) -> None:
        """Refuse periods below a day."""
        if period.is_subday:
            raise InvalidPolicy(
                f"A date key cannot be cut by {period.unit.value}: use Day or longer."
            )


KEY_KINDS: dict[str, KeyKind] = {kind.sql_type: kind for kind in (TimestampKey(), DateKey())}


def key_kind(sql_type: str) -> KeyKind:
    """Return the kind of a key of this type, written as ``format_type`` prints it.

    Raises InvalidPolicy for a type that is not supported.
    """
    try:
        return KEY_KINDS[sql_type]
    except KeyError as error:
        known = " or ".join(KEY_KINDS)
        raise InvalidPolicy(f"A partition key must be {known}, not {sql_type}.") from error


def _is_beyond_datetime(text: str) -> bool:
    year = text.partition("-")[0]
    is_far = year.isdecimal() and int(year) > MAXYEAR
    return text in {"infinity", "-infinity"} or text.endswith(" BC") or is_far


def _in_utc_or_beyond(written: datetime) -> datetime | None:
    try:
        return in_utc(written)
    except InvalidPolicy:  # aware, so this is 9999-12-31 23:00-05 or its like at the year 1
        return None


def _start_or_beyond(day: date, zone: tzinfo) -> datetime | None:
    try:
        return start_of_day(day, zone)
    except InvalidPolicy:  # the first or last day that datetime has, in a zone away from UTC
        return None


def _unreadable(kind: KeyKind, text: str) -> InvalidPolicy:
    return InvalidPolicy(
        f"The bound {text!r} is not a {kind.sql_type} in the ISO DateStyle of PostgreSQL."
    )


# Stand for a bound that is beyond what datetime holds, such as 'infinity' or a year before Christ,
# where None would say that there is no bound. They leave room for every zone's offset.
FIRST_DAY, LAST_DAY = date(1, 1, 3), date(9999, 12, 29)

_BOUNDS = re.compile(r"FOR VALUES FROM \((?P<start>.+)\) TO \((?P<end>.+)\)\Z", re.DOTALL)


def read_bounds(expression: str | None, kind: KeyKind | None, zone: tzinfo) -> Bounds | None:
    """Return what ``pg_get_expr`` prints of a partition's bounds in the ISO DateStyle.

    None for a default partition, and for what is not partitioned by range of one supported key.
    """
    match = _BOUNDS.match(expression or "")
    if match is None or kind is None:
        return None
    return Bounds(start=_start(match["start"], kind, zone), end=_end(match["end"], kind, zone))


def _start(text: str, kind: KeyKind, zone: tzinfo) -> datetime | None:
    """Return the first moment inside; None only where all that is earlier is inside too."""
    moment = _moment(text, kind, zone)
    if moment is not None or text == "MINVALUE" or _is_before_calendar(text):
        return moment
    return start_of_day(LAST_DAY, zone)


def _end(text: str, kind: KeyKind, zone: tzinfo) -> datetime | None:
    """Return the first moment after; None only where all that is later is inside."""
    moment = _moment(text, kind, zone)
    if moment is not None or text == "MAXVALUE" or not _is_before_calendar(text):
        return moment
    return start_of_day(FIRST_DAY, zone)


def _moment(text: str, kind: KeyKind, zone: tzinfo) -> datetime | None:
    return None if text in {"MINVALUE", "MAXVALUE"} else kind.moment(text.strip("'"), zone)


def _is_before_calendar(text: str) -> bool:
    """Whether a bound that datetime cannot hold is too early for it, rather than too late."""
    bound = text.strip("'")
    return bound == "-infinity" or bound.endswith(" BC") or bound.startswith("0001-")
