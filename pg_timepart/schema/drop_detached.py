"""Drop the empty detached partitions of a table that a migration drops; keep those with rows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC

from django.db import models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import sql

from pg_timepart.logger import logger
from pg_timepart.partitions.tables import Partition
from pg_timepart.postgres.catalog import read_parent
from pg_timepart.postgres.unattached_tables import read_owned

LOCK = sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE")
DROP = sql.SQL("DROP TABLE {}")

# Row security that is forced upon the owner may hide rows from this query: then there may be some.
# Under the connection's search_path, which functions in policies may need.
HOLDS_ROWS = sql.SQL("""
SELECT EXISTS (SELECT FROM {}) OR (SELECT c.relforcerowsecurity FROM pg_catalog.pg_class c
                                   WHERE c.oid OPERATOR(pg_catalog.=) %s::pg_catalog.oid)
""")


def detached_from(
    connection: BaseDatabaseWrapper, model: type[models.Model]
) -> tuple[Partition, ...]:
    """Return the detached partitions of the model's existing table, by their comments."""
    parent = read_parent(connection, model._meta.db_table, zone=UTC)  # UTC is for bounds, unused
    return () if parent is None else read_owned(connection, parent, model._meta.label_lower)


def drop_empty(
    connection: BaseDatabaseWrapper, model: type[models.Model], detached: Iterable[Partition]
) -> None:
    """Drop those without rows, once the model's table is dropped; warn of the others by name.

    Each is locked ACCESS EXCLUSIVE while it is read: no application uses an empty one.
    """
    kept = [table.name for table in detached if not _drop_if_empty(connection, table)]
    if kept:
        logger.warning(
            "The table of %s was dropped. These detached partitions of it hold rows and were "
            "kept: %s.",
            model._meta.label,
            ", ".join(kept),
        )


def _drop_if_empty(connection: BaseDatabaseWrapper, table: Partition) -> bool:
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        name = sql.Identifier(table.schema, table.name)
        cursor.execute(LOCK.format(name))
        cursor.execute(HOLDS_ROWS.format(name), [table.oid])
        if cursor.fetchone() == (False,):
            cursor.execute(DROP.format(name))
            return True
    return False
