"""Which partitions a block of code touches, as the locks of its own transaction show."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, transaction

from tests.support.database import Database

LOCKED = """
SELECT DISTINCT c.relname FROM pg_locks l JOIN pg_inherits i ON i.inhrelid = l.relation
JOIN pg_class c ON c.oid = l.relation
WHERE l.pid = pg_backend_pid() AND i.inhparent = %s::regclass
"""


@contextmanager
def touched(model: Any, using: str = "default") -> Iterator[set[str]]:
    """A transaction; the set that it gives has, at its end, the partitions that it locked."""
    names: set[str] = set()
    connection = connections[using]
    with transaction.atomic(using=using):
        yield names
        with connection.cursor() as cursor:
            cursor.execute(LOCKED, [connection.ops.quote_name(model._meta.db_table)])
            names.update(name for (name,) in cursor.fetchall())


def attach(database: Database, table: str, names: str, *bounds: str) -> None:
    """Give the table a partition for each of these names, each to the next of the bounds."""
    with database.connection.cursor() as cursor:
        for name, (start, end) in zip(names.split(), itertools.pairwise(bounds), strict=True):
            cursor.execute(
                f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ('{start}') TO ('{end}')"
            )
