"""Base of this package's models, whose rows are read where they are written."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from django.db import models

from pg_timepart.constants import Outcome

Row = TypeVar("Row", bound=models.Model)

OUTCOMES = [(each.value, each.value) for each in Outcome]


class OwnRows(models.QuerySet[Row]):
    """Our rows where they are written, whatever database the routers read other models from.

    A replica lags behind, and what these rows say decides. ``using()`` asks another database.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._for_write = True


class OwnRow(models.Model):
    """A row of ours. What leads to one, such as ``log.config``, asks where it is written too."""

    objects: ClassVar[Any] = OwnRows.as_manager()

    class Meta:
        abstract = True
        base_manager_name = "objects"
