"""Partitions and their rows as the catalog has them, without asking pg_timepart."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db import ProgrammingError, connection

PARTITIONS = """
SELECT c.oid::bigint, c.relname, i.inhrelid IS NOT NULL, COALESCE(i.inhdetachpending, false),
       COALESCE(t.spcname, '')
FROM pg_catalog.pg_class c
LEFT JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid
LEFT JOIN pg_catalog.pg_tablespace t ON t.oid = c.reltablespace
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relname ~ %s
ORDER BY c.relname
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A partition, attached or detached, as it is now."""

    oid: int
    name: str
    is_attached: bool
    is_pending: bool = False
    """Whether its detach has begun and not ended."""

    tablespace: str = ""
    """Empty for the database's own."""


def read_partitions(tables: Collection[str]) -> list[Partition]:
    """Return the partitions of these tables, by name."""
    with connection.cursor() as cursor:
        cursor.execute(PARTITIONS, [f"^({'|'.join(tables)})_"])
        return [
            Partition(
                oid=oid,
                name=name,
                is_attached=is_attached,
                is_pending=is_pending,
                tablespace=tablespace,
            )
            for oid, name, is_attached, is_pending, tablespace in cursor.fetchall()
        ]


def read_numbers(table: str) -> list[int] | None:
    """Return the numbers of the table's rows; None if it does not exist."""
    with connection.cursor() as cursor:
        try:
            cursor.execute(f"SELECT number FROM {connection.ops.quote_name(table)}")
        except ProgrammingError:
            return None
        return [number for (number,) in cursor.fetchall()]
