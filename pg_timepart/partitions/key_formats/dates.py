"""DateKey: a partition key of the type ``date``. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import TYPE_CHECKING, ClassVar

from django.db import models

from pg_timepart.errors import InvalidPolicy
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.key_formats.base import Beyond, KeyFormat
from pg_timepart.partitions.key_formats.iso_dates import beyond_calendar, edge_near, unreadable
from pg_timepart.partitions.key_formats.registry import register
from pg_timepart.partitions.time_zones import (
    day_after,
    day_at,
    day_starting_at,
    in_utc,
    start_of_day,
)

if TYPE_CHECKING:
    from pg_timepart.partitions.periods import Period


@dataclass(frozen=True, slots=True)
class DateKey(KeyFormat):
    """A ``DateField``. A bound is the start of that day in the zone.

    A day that the zone skipped has no start of its own: it shares the next day's. Written bounds
    then name the next day, so that bounds contiguous as moments are contiguous in the table too.
    """

    name: ClassVar[str] = "date"
    field_class = models.DateField
    column_types: ClassVar[tuple[str, ...]] = ("date",)
    is_implied: ClassVar[bool] = True

    def value(self, moment: datetime, zone: tzinfo) -> date:
        """Return the day; ``moment`` must be the start of one in the zone."""
        day = day_starting_at(in_utc(moment), zone)
        if day is None:
            raise InvalidPolicy(
                f"A date key needs bounds that are starts of days in {zone}; {moment} is not."
            )
        return day

    def unit(self, moment: datetime, zone: tzinfo) -> Bounds:
        """Return the day in the zone."""
        day = day_at(moment, zone)
        return Bounds(start=start_of_day(day, zone), end=start_of_day(day_after(day), zone))

    def moment(self, literal: str, zone: tzinfo) -> datetime | Beyond:
        """Return the start of that day in the zone."""
        beyond = beyond_calendar(literal)
        if beyond is not None:
            return beyond
        try:
            day = date.fromisoformat(literal)
        except ValueError as error:
            raise unreadable(self, literal) from error
        try:
            return start_of_day(day, zone)
        except InvalidPolicy:  # the first or last day of datetime, in a zone away from UTC
            return edge_near(day)

    def check_period(self, period: Period) -> None:
        """Refuse periods below a day."""
        if period.is_subday:
            raise InvalidPolicy(
                f"A date key cannot be cut by {period.unit.value}: use Day or longer."
            )


register(DateKey())
