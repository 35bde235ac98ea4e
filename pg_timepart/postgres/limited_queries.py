"""Queries of users' tables that may take no longer than so many milliseconds."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

LIMITS = """
SELECT pg_catalog.set_config('lock_timeout', %(limit)s, true),
       pg_catalog.set_config('statement_timeout', %(limit)s, true)
"""


def fetch_within(
    connection: BaseDatabaseWrapper, query: str, timeout_ms: int, *, setup: str = ""
) -> list[Any]:
    """Return the rows of a query that changes nothing; leave no setting behind.

    ``setup`` is a query that changes settings for it. Raises OperationalError where it takes, or
    waits for a lock, longer than ``timeout_ms``.
    """
    with transaction.atomic(using=connection.alias):
        with connection.cursor() as cursor:
            if setup:
                cursor.execute(setup)
            cursor.execute(LIMITS, {"limit": f"{timeout_ms}ms"})
            cursor.execute(query)
            rows = list(cursor.fetchall())
        transaction.set_rollback(True, using=connection.alias)
    return rows
