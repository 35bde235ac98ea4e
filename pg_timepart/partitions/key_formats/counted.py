"""CountedKey: keys whose values hold how many units of time have passed since an epoch. Pure."""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime, timedelta, tzinfo
from typing import ClassVar

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
    def count(self, literal: str) -> int:
        """Return the count of a value as the server prints it; raise ValueError for other text."""

    def value(self, moment: datetime, zone: tzinfo) -> object:  # noqa: ARG002
        """Return the smallest value of the unit that begins at ``moment``."""
        count, rest = divmod(in_utc(moment) - self.epoch, self.duration)
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
        if rest:
            raise InvalidPolicy(
                f"A key of the format {self.name} needs bounds at whole {UNITS[self.duration]};"
                f" {moment} is not."
            )
        return self.first_value(count)

    def unit(self, moment: datetime, zone: tzinfo) -> Bounds:  # noqa: ARG002
        """Return the unit since the epoch that ``moment`` is in."""
        moment = in_utc(moment)
        return span_of(moment - (moment - self.epoch) % self.duration, self.duration)

    def moment(self, literal: str, zone: tzinfo) -> datetime | Beyond:  # noqa: ARG002
        """Return the start of the unit that the value is in."""
        try:
            count = self.count(literal)
        except ValueError as error:
            raise InvalidPolicy(
                f"The bound {literal!r} is no value of a key of the format {self.name}."
            ) from error
        try:
            return self.epoch + self.duration * count
        except OverflowError:
            return Beyond.EARLIER if count < 0 else Beyond.LATER
