"""Whole numbers as partition keys: Unix time in seconds, milliseconds, microseconds. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar, Self

from django.db import models

from pg_timepart.partitions.bounds import EPOCH
from pg_timepart.partitions.key_formats.counted import MILLISECOND, CountedKey
from pg_timepart.partitions.key_formats.registry import register

GREATEST = {"bigint": 2**63 - 1, "integer": 2**31 - 1}
"""The greatest value of a column, by its type."""

NUMBERED = (
    "BigIntegerField(primary_key=True, default=...) with a function that makes such numbers from"
    " the time, or a db_default that does"
)
COUNTERS = frozenset({"nextval"})
"""Functions of PostgreSQL that count."""


@dataclass(frozen=True, slots=True)
class UnixTimeKey(CountedKey):
    """An integer field that counts units since 1970-01-01 in UTC, without leap seconds."""

    field_class = models.IntegerField
    column_types: ClassVar[tuple[str, ...]] = ("bigint",)
    usual_default: ClassVar[str] = NUMBERED
    timeless_defaults: ClassVar[frozenset[str]] = COUNTERS

    epoch = EPOCH
    last_count: int = GREATEST["bigint"]

    def first_value(self, count: int) -> int:
        """Return the count itself."""
        return count

    def number(self, literal: str) -> int:
        """Return the number."""
        return int(literal)

    def count(self, number: int) -> int:
        """Return the number itself."""
        return number

    def for_column(self, column_type: str) -> Self:
        """Return the format with the greatest value of the type, or unchanged for another type."""
        return replace(self, last_count=GREATEST.get(column_type, self.last_count))


class SecondsKey(UnixTimeKey):
    """``epoch_s``: seconds, the only ones that a column of the type ``integer`` can hold."""

    name: ClassVar[str] = "epoch_s"
    column_types: ClassVar[tuple[str, ...]] = ("bigint", "integer")
    duration = timedelta(seconds=1)


class MillisecondsKey(UnixTimeKey):
    """``epoch_ms``: milliseconds."""

    name: ClassVar[str] = "epoch_ms"
    duration = MILLISECOND


class MicrosecondsKey(UnixTimeKey):
    """``epoch_us``: microseconds."""

    name: ClassVar[str] = "epoch_us"
    duration = timedelta(microseconds=1)


for _format in (SecondsKey(), MillisecondsKey(), MicrosecondsKey()):
    register(_format)
