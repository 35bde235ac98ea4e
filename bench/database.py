"""Database of a run, and tables of a measurement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management import call_command
from django.db import connection, connections, models

from pg_timepart.models import PartitionConfig


@contextmanager
def own_database() -> Iterator[None]:
    """Create the database ``default`` names with our tables in it, and drop it at the end."""
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    _on_server(f"CREATE DATABASE {name}")
    try:
        call_command("migrate", verbosity=0)
        yield
    finally:
        connections["default"].close()
        _on_server(f"DROP DATABASE {name}")
        connections["server"].close()


def make_tables(wanted: Iterable[type[models.Model]]) -> None:
    """Make the tables of these models, without partitions."""
    with connection.schema_editor() as editor:
        for model in wanted:
            editor.create_model(model)


@contextmanager
def tables_of(*wanted: type[models.Model]) -> Iterator[None]:
    """Make the tables of these models, and at the end remove all that hangs on them."""
    make_tables(wanted)
    try:
        yield
    finally:
        labels = [model._meta.label_lower for model in wanted]
        PartitionConfig.objects.filter(model_label__in=labels).delete()
        with connection.schema_editor() as editor:
            for model in reversed(wanted):
                editor.delete_model(model)


def execute(statement: str, *values: Any) -> None:
    """Execute one statement."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)


def rows(statement: str, *values: Any) -> list[Any]:
    """Return the rows of one query."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        found: list[Any] = cursor.fetchall()
        return found


def server_version() -> str:
    """Return such as ``18.4``."""
    version: str = rows("SHOW server_version")[0][0]
    return version.partition(" ")[0]


def _on_server(statement: str) -> None:
    with connections["server"].cursor() as cursor:
        cursor.execute(statement)
