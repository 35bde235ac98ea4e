"""Extend ``sql_flush``, so that ``flush`` empties detached partitions with their former parent.

Django does not know these tables, and PostgreSQL refuses to truncate a table that a foreign key of
another one refers to: one detached partition would stop every later TransactionTestCase.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.postgres.catalog import read_commented, read_parents
from pg_timepart.postgres.unattached_tables import owned_among
from pg_timepart.schema.registry import registry

if TYPE_CHECKING:
    from django.db.backends.postgresql.operations import DatabaseOperations as Operations
else:
    Operations = object


def install() -> None:
    """Extend the operations of each configured PostgreSQL connection and its class, once."""
    for connection in connections.all():
        if connection.vendor == "postgresql":
            _extend(connection)


class FlushingOperations(Operations):
    """Database operations mixin; it comes before the class of the connection's own operations."""

    def sql_flush(
        self,
        style: Any,
        tables: Sequence[str],
        *,
        reset_sequences: bool = False,
        allow_cascade: bool = False,
    ) -> list[str]:
        """Return TRUNCATE of ``tables`` and of their detached partitions."""
        loose = _loose_partitions(self.connection, tables) if tables else ()
        return super().sql_flush(
            style,
            [*tables, *loose],
            reset_sequences=reset_sequences,
            allow_cascade=allow_cascade,
        )


def _extend(connection: Any) -> None:
    wrapper = type(connection)
    if not issubclass(wrapper.ops_class, FlushingOperations):
        wrapper.ops_class = type(
            wrapper.ops_class.__name__,
            (FlushingOperations, wrapper.ops_class),
            {"__module__": __name__},
        )
    if not isinstance(connection.ops, FlushingOperations):
        connection.ops = wrapper.ops_class(connection)


def _loose_partitions(connection: BaseDatabaseWrapper, tables: Sequence[str]) -> Iterator[str]:
    """Yield the quoted names of tables that TRUNCATE of these models would leave out.

    These are partitions that are detached, and those whose detach is pending.
    """
    labels = {each._meta.db_table: each._meta.label_lower for each in registry()}
    wanted = [each for each in tables if each in labels]
    quote = connection.ops.quote_name
    commented = read_commented(connection, kinds="r")
    for table, parent in read_parents(connection, wanted, zone=UTC).items():
        pending = (each for each in parent.partitions if each.is_pending)
        for each in (*pending, *owned_among(connection, commented, parent, labels[table])):
            yield f"{quote(each.schema)}.{quote(each.name)}"
