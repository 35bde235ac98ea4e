"""Database alias of this package's models, and updates that keep concurrent edits of a row."""

from __future__ import annotations

from django.db import connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart import conf
from pg_timepart.models.partition_config import PartitionConfig


def rows_alias() -> str:
    """Return the alias of the database that our own tables are written to."""
    return router.db_for_write(PartitionConfig)


def connection_of_rows() -> BaseDatabaseWrapper:
    """Return the connection to the database of our own tables."""
    return connections[rows_alias()]


def configs() -> models.QuerySet[PartitionConfig]:
    """Return all configs, from the database for writes."""
    return PartitionConfig.objects.using(rows_alias())


def is_home(model: type[models.Model], alias: str) -> bool:
    """Whether this is the database that the routers name for the model, by whatever alias."""
    named = router.db_for_write(model)
    if alias in {named, conf.maintenance_alias(named)}:
        return True
    return _place(alias) == _place(named)


def keep(row: models.Model, **facts: object) -> None:
    """Save only these fields: the object was read a while ago, and people edit the others.

    Sends no signal. Does nothing where the row is gone.
    """
    rows = type(row)._default_manager.using(row._state.db)
    rows.filter(pk=row.pk).update(**facts)
    for name, value in facts.items():
        setattr(row, name, value)


def _place(alias: str) -> tuple[str, ...]:
    options = connections[alias].settings_dict
    return tuple(str(options.get(name) or "") for name in ("HOST", "PORT", "NAME"))
