"""CountedKey: keys whose values hold how many units of time have passed since an epoch. Pure."""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime, timedelta, tzinfo
from typing import Any, ClassVar

from pg_timepart.errors import InvalidPolicy
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.key_formats.base import Beyond, KeyFormat, span_of
from pg_timepart.partitions.time_zones import in_utc

MILLISECOND = timedelta(milliseconds=1)

UNITS = {
    timedelta(seconds=1): "seconds",
    MILLISECOND: "milliseconds",
    timedelta(microseconds=1): "microseconds",
}


class CountedKey(KeyFormat):
    """Conversion by a count of units. Bounds are whole units; zones do not matter."""

    is_exact: ClassVar[bool] = False

    duration: ClassVar[timedelta]
    """The length of one unit."""

    epoch: datetime
    """The moment of the count 0, in UTC."""

    @property
    @abstractmethod
    def last_count(self) -> int:
        """The greatest count that a value can hold."""

    @abstractmethod
    def first_value(self, count: int) -> object:
        """Return the smallest value with this count, from 0 to ``last_count``."""

    @abstractmethod
    def number(self, literal: str) -> int:
        """Return the value that the server prints so, as a number; raise ValueError otherwise."""

    @abstractmethod
    def count(self, number: int) -> int:
        """Return the count that the value with this number holds."""

    @property
    def span(self) -> Bounds:
        """The moments from the epoch on to the end of the last unit."""
        try:
            end = self.epoch + self.duration * (self.last_count + 1)
        except OverflowError:
            end = None
        return Bounds(start=self.epoch, end=end)

    def sort_key(self, literal: str, zone: tzinfo) -> Any:
        """Return the value as a number."""
        return self.number(literal)

    def value(self, moment: datetime, zone: tzinfo) -> object:
        """Return the smallest value of the unit that begins at ``moment``."""
        count, rest = divmod(in_utc(moment) - self.epoch, self.duration)
        if rest:
            raise InvalidPolicy(
                f"A key of the format {self.name} needs bounds at whole {UNITS[self.duration]};"
                f" {moment} is not."
            )
        return self._value_of(count, moment)

    def value_in(self, moment: datetime, zone: tzinfo) -> object:
        """Return the smallest value of the unit that ``moment`` is in."""
        return self._value_of((in_utc(moment) - self.epoch) // self.duration, moment)

    def value_from(self, moment: datetime, zone: tzinfo) -> object:
        """Return the smallest value of the first unit that does not begin before ``moment``."""
        return self._value_of(-((self.epoch - in_utc(moment)) // self.duration), moment)

    def value_check(self, column: str) -> str:
        """Return the condition that a number is not negative, as a default partition takes all."""
        return f"{column} OPERATOR(pg_catalog.>=) 0"

    def unit(self, moment: datetime, zone: tzinfo) -> Bounds:
        """Return the unit since the epoch that ``moment`` is in."""
        moment = in_utc(moment)
        return span_of(moment - (moment - self.epoch) % self.duration, self.duration)

    def moment(self, literal: str, zone: tzinfo) -> datetime | Beyond:
        """Return the start of the unit that the value is in."""
        try:
            count = self.count(self.number(literal))
        except ValueError as error:
            raise InvalidPolicy(
                f"The bound {literal!r} is no value of a key of the format {self.name}."
            ) from error
        try:
            return self.epoch + self.duration * count
        except OverflowError:
            return Beyond.EARLIER if count < 0 else Beyond.LATER

    def _value_of(self, count: int, moment: datetime) -> object:
        """Return the smallest value with this count; raise InvalidPolicy where there is none."""
        if count < 0:
            raise InvalidPolicy(
                f"A key of the format {self.name} cannot express {moment}: it counts from"
                f" {self.epoch}."
            )
        if count > self.last_count:
            raise InvalidPolicy(
                f"A key of the format {self.name} in this column cannot express {moment}: its last"
                f" moment is {self.epoch + self.duration * self.last_count}."
            )
        return self.first_value(count)
