"""``flush`` empties detached partitions with the table that they came from.

Django does not know these tables, and PostgreSQL refuses to truncate a table that a foreign key of
another one refers to: one detached partition would stop every later TransactionTestCase.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.declaring import registry
from pg_timepart.marks import parse_mark
from pg_timepart.search_path import fetch_all

if TYPE_CHECKING:
    from django.db.backends.postgresql.operations import DatabaseOperations as Operations
else:
    Operations = object

# Of a parent whose detach is pending, TRUNCATE leaves that partition out.
LOOSE = """
SELECT n.nspname, c.relname, pg_catalog.obj_description(c.oid, 'pg_class')
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid
WHERE c.relkind = 'r' AND (NOT c.relispartition OR i.inhdetachpending)
AND pg_catalog.obj_description(c.oid, 'pg_class') IS NOT NULL
ORDER BY 1, 2
"""


def install() -> None:
    """Extend the operations of each configured PostgreSQL connection and its class, once."""
    for connection in connections.all():
        if connection.vendor == "postgresql":
            _extend(connection)


class FlushingOperations(Operations):
    """Mixed in before the operations that the connection has."""

    def sql_flush(
        self,
        style: Any,
        tables: Sequence[str],
        *,
        reset_sequences: bool = False,
        allow_cascade: bool = False,
    ) -> list[str]:
        """Return TRUNCATE of ``tables`` and of what was detached from them."""
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
    """Yield the quoted names of unattached partitions of those decorated models."""
    labels = {each._meta.label_lower for each in registry() if each._meta.db_table in tables}
    quote = connection.ops.quote_name
    for schema, name, comment in fetch_all(connection, LOOSE):
        mark = parse_mark(comment)
        if mark is not None and mark.label in labels:
            yield f"{quote(schema)}.{quote(name)}"
