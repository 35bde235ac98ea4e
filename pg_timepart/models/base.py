"""Base manager and model of this package, read from the database that is written to."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from django.db import models

from pg_timepart.constants import Outcome

Row = TypeVar("Row", bound=models.Model)

OUTCOMES = [(each.value, each.value) for each in Outcome]


class OwnRows(models.QuerySet[Row]):
    """Queryset on the database for writes, whatever database routers name for reads.

    A replica lags behind, and decisions depend on these rows. ``using()`` asks another database.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._for_write = True


class OwnRow(models.Model):
    """Base model; a relation to one, such as ``log.config``, is read where it is written too."""

    objects: ClassVar[Any] = OwnRows.as_manager()

    class Meta:
        abstract = True
        base_manager_name = "objects"
