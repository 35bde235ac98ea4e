"""The app's own migrations, whatever there are of them, and rows in each state that they make."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

APP = "pg_timepart"

RELATION = "SELECT oid FROM pg_class WHERE relname = %s AND relkind = 'r'"

Rows = dict[str, dict[int, dict[str, Any]]]
"""By the model's name and the row's key: the value of each column."""


def our_migrations() -> list[str]:
    """Return the names of the app's migrations, the oldest first."""
    graph = MigrationLoader(None).graph
    (leaf,) = graph.leaf_nodes(APP)
    return [name for app, name in graph.forwards_plan(leaf) if app == APP]


def migrate(app: str = APP, name: str | None = None) -> None:
    """Run the stock command."""
    call_command("migrate", *[app, *([] if name is None else [name])], verbosity=0)


def apply_only(name: str | None) -> None:
    """Apply or take back our migrations up to ``name``, without what follows ``migrate``."""
    MigrationExecutor(connection).migrate([(APP, name)])


def fill(name: str, label: str, table: str, day: dt.datetime) -> None:
    """Leave a row of each kind in our tables as they are after the migration ``name``.

    They are of the partition ``table`` of that day, which is pinned.
    """
    config = _make(name, "PartitionConfig", {"model_label": label}, {"period": "Day", "premake": 1})
    known, now = {"config_id": config.pk, "relid": _oid(table)}, timezone.now()
    sides = {"start": day, "end": day + dt.timedelta(days=1)}
    names = {"schema_name": "public", "table_name": table}
    pin = {"detach_time": now + dt.timedelta(days=365)}
    _make(name, "PartitionLog", known, {**names, **sides, **pin, "is_attached": True})
    ended = {"operation": "maintain", "outcome": "done", "started_at": now, "seconds": 0.5}
    told = {"actions": [{"action": "create", "partition": table}], "message": f"after {name}"}
    _make(name, "PartitionRun", {"config_id": config.pk, "model_label": label, **ended}, told)


def our_rows(name: str) -> Rows:
    """Return all our rows as they are after the migration ``name``."""
    state = _state(name)
    return {
        model.__name__: {row["id"]: row for row in model._default_manager.values()}
        for model in state.get_app_config(APP).get_models()
    }


def lost(before: Rows, after: Rows) -> list[str]:
    """Return what ``after`` lacks or has otherwise, of the columns that both have."""
    return [
        f"{model} {key}: {column} was {value!r}, is {after[model].get(key, {}).get(column)!r}"
        for model in before.keys() & after.keys()
        for key, row in before[model].items()
        for column, value in row.items()
        if _differs(after[model].get(key), column, value)
    ]


def _differs(row: Mapping[str, Any] | None, column: str, value: Any) -> bool:
    return row is None or (column in row and row[column] != value)


def _make(name: str, model: str, key: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    """Save a row, with those of the values that the model has a place for in that state."""
    historical: Any = _state(name).get_model(APP, model)
    columns = {field.attname for field in historical._meta.local_concrete_fields}
    here = {column: value for column, value in values.items() if column in columns}
    return historical._default_manager.update_or_create(defaults=here, **key)[0]


def _state(name: str) -> Any:
    return MigrationLoader(None).project_state((APP, name)).apps


def _oid(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(RELATION, [table])
        oid: int = cursor.fetchone()[0]
        return oid
