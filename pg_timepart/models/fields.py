"""MomentField and GraceField: date-time and duration columns that any value can be read from.

PostgreSQL's ``timestamptz`` has ``infinity`` and years before 1 and after 9999, its ``interval``
millions of years, and Python's datetime and timedelta have not: the drivers raise while they fetch,
and one such row would end every query of its table.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models

from pg_timepart.errors import InvalidPolicy
from pg_timepart.partitions.time_zones import FOR_EVER, in_utc

if TYPE_CHECKING:
    NullableDateTime = models.DateTimeField[datetime | None, datetime | None]
    NullableDuration = models.DurationField[timedelta | None, timedelta | None]
else:
    NullableDateTime = models.DateTimeField
    NullableDuration = models.DurationField

AS_FOR_EVER = f"pg_catalog.timestamptz '{FOR_EVER.isoformat()}'"
AS_BEGINNING = "pg_catalog.timestamptz '0001-01-03T00:00:00+00:00'"
AS_NULL = "NULL"

# The session's time zone does not matter: all three literals have an offset.
TOLERANT = """
CASE WHEN {column} OPERATOR(pg_catalog.<) pg_catalog.timestamptz '0001-01-02T00:00:00+00:00'
     THEN {early}
     WHEN {column} OPERATOR(pg_catalog.>) pg_catalog.timestamptz '9999-12-31T23:59:59.999999+00:00'
     THEN {late}
     ELSE {column} END
"""

# More than a policy accepts, and less than timedelta can hold.
LONGEST = "pg_catalog.interval '1000000 days'"


def validate_representable(moment: datetime) -> None:
    """Raise ValidationError for a moment outside the years 1 to 9999 of UTC."""
    try:
        in_utc(moment)
    except InvalidPolicy as error:
        raise ValidationError(str(error)) from error


class MomentField(NullableDateTime):
    """A DateTimeField to migrations and forms.

    Values that datetime cannot hold are refused on writing, and read as ``early`` or ``late``.
    """

    default_validators = [validate_representable]

    def __init__(
        self, *args: Any, early: str = AS_FOR_EVER, late: str = AS_FOR_EVER, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._early, self._late = early, late

    def deconstruct(self) -> Any:
        """Return what makes the column: a migration need not know how it is read."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, kwargs

    def clone(self) -> MomentField:
        """Return the same field, not bound to a model."""
        _, _, args, kwargs = self.deconstruct()
        return type(self)(*args, early=self._early, late=self._late, **kwargs)

    def get_prep_value(self, value: Any) -> Any:
        """Return what is written; raises InvalidPolicy for what could not be read again."""
        found = super().get_prep_value(value)
        if isinstance(found, datetime):
            in_utc(found)
        return found

    def select_format(self, compiler: Any, sql: str, params: Any) -> Any:
        """Return the column as every driver can fetch it."""
        chosen, given = super().select_format(compiler, sql, params)
        text = TOLERANT.format(column=chosen, early=self._early, late=self._late)
        return text.strip(), (*given, *given, *given)


class GraceField(NullableDuration):
    """A DurationField to migrations and forms; a value too long is read as LONGEST."""

    def deconstruct(self) -> Any:
        """Return what makes the column: a migration need not know how it is read."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.DurationField", args, kwargs

    def select_format(self, compiler: Any, sql: str, params: Any) -> Any:
        """Return the column as every driver can fetch it; LEAST asks no operator by its name."""
        chosen, given = super().select_format(compiler, sql, params)
        return f"CASE WHEN {chosen} IS NULL THEN NULL ELSE LEAST({chosen}, {LONGEST}) END", (
            *given,
            *given,
        )
