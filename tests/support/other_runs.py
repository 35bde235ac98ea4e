"""Another run on a table, as far as others can tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC

from django.db import connection, models
from django.test import override_settings

from pg_timepart.postgres.advisory_lock import advisory_lock
from pg_timepart.postgres.catalog import read_parent

short_lock_wait = override_settings(PG_TIMEPART={"LOCK_WAIT_SECONDS": 0.05})
"""Wait for another run no longer than that."""

TRYING = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = %s AND query LIKE '%%pg_try_advisory%%'
"""
"""Whether a process of this name tries to get an advisory lock."""


@contextmanager
def another_run_on(model: type[models.Model]) -> Iterator[None]:
    """Hold the advisory lock of the model's table."""
    other = connection.copy()
    parent = read_parent(connection, model._meta.db_table, zone=UTC)
    assert parent is not None
    try:
        with advisory_lock(other, parent):
            yield
    finally:
        other.close()
