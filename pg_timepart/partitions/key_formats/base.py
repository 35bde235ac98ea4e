"""KeyFormat: conversion between values of a partition key and moments. Pure.

The catalog has bounds as literals, and the rest of the package has them as moments. Only key
formats convert between them, and handle values that only some types of keys can hold: ``infinity``,
years before Christ, a day that a zone skipped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import date, datetime, tzinfo
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from django.db import models

from pg_timepart.partitions.bounds import BoundLiterals, Bounds
from pg_timepart.partitions.time_zones import start_of_day

if TYPE_CHECKING:
    from pg_timepart.partitions.periods import Period

# Moments for bounds beyond the range of datetime, such as 'infinity' or a year before Christ,
# where None would say that there is no bound. They leave room for every zone's offset.
FIRST_DAY, LAST_DAY = date(1, 1, 3), date(9999, 12, 29)


class Beyond(Enum):
    """Side of the years 1 to 9999 on which a value lies that datetime cannot hold."""

    EARLIER = "earlier"
    LATER = "later"


class KeyFormat(ABC):
    """Conversion between values of a partition key and moments. An instance is immutable."""

    name: ClassVar[str]
    """The name for the decorator's ``key_format``."""

    field_class: ClassVar[type[models.Field]]  # type: ignore[type-arg]  # of any values
    """The class of the model field of such keys."""

    column_types: ClassVar[tuple[str, ...]]
    """The column types that can have this format, as ``format_type`` prints them."""

    is_implied: ClassVar[bool] = False
    """Whether columns of these types have this format where the decorator names none."""

    @abstractmethod
    def value(self, moment: datetime, zone: tzinfo) -> object:
        """Return the key's smallest value at ``moment``.

        Raises InvalidPolicy if the key cannot express the moment, or the moment is naive.
        """

    @abstractmethod
    def moment(self, literal: str, zone: tzinfo) -> datetime | Beyond:
        """Return the moment, in UTC, of a bound that ``pg_get_expr`` printed in the ISO DateStyle.

        ``literal`` has no quotes. Raises InvalidPolicy for text in any other form.
        """

    def literal(self, moment: datetime, zone: tzinfo) -> str:
        """Return the literal of that value for ``FOR VALUES``, without quotes."""
        return str(self.value(moment, zone))

    def check_period(self, period: Period) -> None:  # noqa: B027  # most formats take every period
        """Raise InvalidPolicy if the key cannot be cut into periods of this size."""

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
