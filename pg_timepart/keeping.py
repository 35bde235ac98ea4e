"""Where our rows are, and changing some columns of one of them and no others."""

from __future__ import annotations

from django.db import connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.models import PartitionConfig


def rows_alias() -> str:
    """Return the alias of the database that our own rows are written to."""
    return router.db_for_write(PartitionConfig)


def connection_of_rows() -> BaseDatabaseWrapper:
    """Return the connection by which our own rows are written."""
    return connections[rows_alias()]


def configs() -> models.QuerySet[PartitionConfig]:
    """Return all config rows, where they are written."""
    return PartitionConfig.objects.using(rows_alias())


def keep(row: models.Model, **facts: object) -> None:
    """Record these facts alone: the row was read a while ago, and people edit the others.

    Sends no signal. Does nothing in the database where the row is gone.
    """
    rows = type(row)._default_manager.using(row._state.db)
    rows.filter(pk=row.pk).update(**facts)
    for name, value in facts.items():
        setattr(row, name, value)
