"""KeyFormat: conversion between values of a partition key and moments. Pure.

The catalog has bounds as literals, and the rest of the package has them as moments. Only key
formats convert between them, and handle values that only some types of keys can hold: ``infinity``,
years before Christ, a day that a zone skipped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import date, datetime, timedelta, tzinfo
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db import models

from pg_timepart.partitions.bounds import BoundLiterals, Bounds
from pg_timepart.partitions.time_zones import in_utc, start_of_day

if TYPE_CHECKING:
    from pg_timepart.partitions.periods import Period

# Moments for bounds beyond the range of datetime, such as 'infinity' or a year before Christ,
# where None would say that there is no bound. They leave room for every zone's offset.
FIRST_DAY, LAST_DAY = date(1, 1, 3), date(9999, 12, 29)


MICROSECOND = timedelta(microseconds=1)


class Beyond(Enum):
    """Side of the years 1 to 9999 on which a value lies that datetime cannot hold."""

    EARLIER = "earlier"
    LATER = "later"


def span_of(start: datetime, length: timedelta) -> Bounds:
    """Return the bounds from ``start`` on; without end where datetime cannot hold it."""
    try:
        return Bounds(start=start, end=start + length)
    except OverflowError:
        return Bounds(start=start, end=None)


class KeyFormat(ABC):
    """Conversion between values of a partition key and moments. Instances can be hashed."""

    name: ClassVar[str]
    """The name for the decorator's ``key_format``."""

    field_class: ClassVar[type[models.Field]]  # type: ignore[type-arg]  # of any values
    """The class of the model field of such keys."""

    column_types: ClassVar[tuple[str, ...]]
    """The column types that can have this format, as ``format_type`` prints them."""

    is_implied: ClassVar[bool] = False
    """Whether columns of these types have this format where the decorator names none."""

    usual_default: ClassVar[str] = ""
    """The usual declaration of such a field, for hints; empty where values are moments, not ids."""

    timeless_defaults: ClassVar[frozenset[str]] = frozenset()
    """Names of functions, of Python or SQL, whose values are no ids of this format; lower case."""

    is_exact: ClassVar[bool] = True
    """Whether the moment of a bound tells its literal: a bound has nothing below the unit."""

    @property
    def span(self) -> Bounds:
        """The moments that values can have; as far as datetime goes by default."""
        return Bounds(start=None, end=None)

    @abstractmethod
    def value(self, moment: datetime, zone: tzinfo) -> object:
        """Return the key's smallest value at ``moment``, as a bound needs it.

        Raises InvalidPolicy if the key cannot express the moment, or the moment is naive.
        """

    def unit(self, moment: datetime, zone: tzinfo) -> Bounds:
        """Return the shortest span that values of the key tell apart and that ``moment`` is in.

        By default a microsecond, as in a datetime. It has no end where datetime cannot hold that.
        Raises InvalidPolicy if the moment is naive.
        """
        return span_of(in_utc(moment), MICROSECOND)

    @abstractmethod
    def moment(self, literal: str, zone: tzinfo) -> datetime | Beyond:
        """Return the moment, in UTC, of a bound that ``pg_get_expr`` printed in the ISO DateStyle.

        ``literal`` has no quotes. Raises InvalidPolicy for text in any other form.
        """

    def clip(self, bounds: Bounds) -> Bounds | None:
        """Return the part of ``bounds`` that values can be in, or None where there is none.

        It begins no earlier than the values do. Where it holds the last of them it has no end, as
        no literal is greater.
        """
        span, start, end = self.span, bounds.start, bounds.end
        if not bounds.overlaps(span):
            return None
        is_early = span.start is not None and (start is None or start < span.start)
        is_late = span.end is not None and (end is None or end >= span.end)
        return Bounds(start=span.start if is_early else start, end=None if is_late else end)

    def sort_key(self, literal: str, zone: tzinfo) -> Any:
        """Return what sorts bounds as the server does, of those with one moment too if inexact."""
        return self.moment(literal, zone)

    def value_in(self, moment: datetime, zone: tzinfo) -> object:
        """Return the smallest value of the unit that ``moment`` is in. Raises as ``value`` does."""
        return self.value(self.unit(moment, zone).start or moment, zone)

    def value_from(self, moment: datetime, zone: tzinfo) -> object:
        """Return the smallest value that is not before ``moment``. Raises as ``value`` does."""
        unit = self.unit(moment, zone)
        return self.value(moment if unit.start == moment else unit.end or moment, zone)

    def literal(self, moment: datetime, zone: tzinfo) -> str:
        """Return the literal of that value for ``FOR VALUES``, without quotes."""
        return str(self.value(moment, zone))

    def check_period(self, period: Period) -> None:  # noqa: B027  # most formats take every period
        """Raise InvalidPolicy if the key cannot be cut into periods of this size."""

    def value_check(self, column: str) -> str:
        """Return the SQL condition by which the table refuses values of ``column`` without a time.

        ``column`` is quoted, and there is no null. Empty where bounds refuse all of them.
        """
        return ""

    def for_column(self, column_type: str) -> Self:
        """Return this format with the range of values that a column of this type has."""
        return self

    def is_declared_by(self, db_type: str) -> bool:
        """Return whether a field's ``db_type`` declares a column that can have this format."""
        return db_type.strip().lower() in self.column_types

    def write(self, bounds: Bounds, zone: tzinfo) -> BoundLiterals:
        """Return the literals of ``bounds`` for ``FOR VALUES``. Raises as ``value`` does."""
        return BoundLiterals(
            lower=None if bounds.start is None else self.literal(bounds.start, zone),
            upper=None if bounds.end is None else self.literal(bounds.end, zone),
        )

    def read(self, literals: BoundLiterals, zone: tzinfo) -> Bounds:
        """Return the bounds that the server has as these literals. Raises as ``moment`` does."""
        return Bounds(start=self._start(literals.lower, zone), end=self._end(literals.upper, zone))

    def _start(self, literal: str | None, zone: tzinfo) -> datetime | None:
        """Return the first moment inside; None only where all that is earlier is inside too."""
        found = Beyond.EARLIER if literal is None else self.moment(literal, zone)
        if found is Beyond.EARLIER:
            return None
        return start_of_day(LAST_DAY, zone) if found is Beyond.LATER else found

    def _end(self, literal: str | None, zone: tzinfo) -> datetime | None:
        """Return the first moment after; None only where all that is later is inside."""
        found = Beyond.LATER if literal is None else self.moment(literal, zone)
        if found is Beyond.LATER:
            return None
        return start_of_day(FIRST_DAY, zone) if found is Beyond.EARLIER else found
