"""Snowflake: ids that hold milliseconds since an epoch above their lowest bits. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.db import models

from pg_timepart.errors import InvalidPolicy
from pg_timepart.partitions.key_formats.counted import MILLISECOND, CountedKey
from pg_timepart.partitions.key_formats.integers import COUNTERS, GREATEST, NUMBERED
from pg_timepart.partitions.time_zones import in_utc

SHIFTS = range(1, 63)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snowflake(CountedKey):
    """Key format of ``(milliseconds since epoch) << shift``, plus a number below ``2 ** shift``.

    ``epoch`` is the moment of the id 0: aware, and a whole millisecond. ``shift`` is how many bits
    below the time a generator has for its own number and its counter, 1 to 62; the more it has,
    the sooner a bigint ends: with 22 bits 69 years after the epoch. Raises InvalidPolicy where
    they are anything else.
    """

    name: ClassVar[str] = "Snowflake"
    field_class = models.IntegerField
    column_types: ClassVar[tuple[str, ...]] = ("bigint",)
    usual_default: ClassVar[str] = NUMBERED
    timeless_defaults: ClassVar[frozenset[str]] = COUNTERS
    duration = MILLISECOND

    epoch: datetime
    shift: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "epoch", _epoch(self.epoch))
        _check_shift(self.shift)

    @property
    def last_count(self) -> int:
        """The greatest count that a bigint can hold above the shift."""
        return GREATEST["bigint"] >> self.shift

    def first_value(self, count: int) -> int:
        """Return the id with nothing in its lowest bits."""
        return count << self.shift

    def number(self, literal: str) -> int:
        """Return the id."""
        return int(literal)

    def count(self, number: int) -> int:
        """Return the id without its lowest bits."""
        return number >> self.shift

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """Return what migrations write: the public name, and the arguments."""
        return "pg_timepart.Snowflake", [], {"epoch": self.epoch, "shift": self.shift}


def _epoch(given: object) -> datetime:
    if not isinstance(given, datetime) or given.utcoffset() is None:
        raise InvalidPolicy(f"The epoch of a Snowflake must be an aware datetime, not {given!r}.")
    if given.microsecond % 1000:
        raise InvalidPolicy(
            f"The epoch of a Snowflake must be a whole millisecond; {given} is not."
        )
    return in_utc(given)


def _check_shift(given: object) -> None:
    is_whole = isinstance(given, int) and not isinstance(given, bool)
    if not is_whole or given not in SHIFTS:
        raise InvalidPolicy(
            f"The shift of a Snowflake must be a number of bits from {SHIFTS[0]} to {SHIFTS[-1]},"
            f" not {given!r}."
        )
