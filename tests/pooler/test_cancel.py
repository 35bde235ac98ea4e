"""What bounds a concurrent detach is a cancel request: it meets that statement, and no other."""

from __future__ import annotations

from threading import Timer
from typing import Any

from django.db import connection
from django.db.backends.postgresql.psycopg_any import sql

from pg_timepart.locks import Budget
from pg_timepart.maintenance.executing import Session
from pg_timepart.steps import Step
from tests.pooler.pooled import PooledInstallation
from tests.processes import session

BUDGET = Budget(lock_ms=50, wait_seconds=1, long_transaction_ms=250)
BOLD = {"LONG_TRANSACTION_MS": 60_000, "LOCK_WAIT_SECONDS": 1}
"""Begins to detach although somebody has the table for long, and is cancelled after a second."""


def test_a_statement_that_waited_for_the_pool_is_cancelled_too(server: PooledInstallation) -> None:
    """A request that comes while the statement has no server connection yet is lost."""
    step = Step(summary="sleep", statements=(sql.SQL("SELECT pg_sleep(8)"),), is_alone=True)
    with server.narrow(1), session("other") as other:

        def fill_the_pool() -> list[Any]:
            other.execute("BEGIN")
            return []

        release = Timer(1.0, other.execute, ["COMMIT"])
        alone = Session(connection=connection, budget=BUDGET)
        connection.ensure_connection()
        release.start()
        assert not alone.run_alone(step, look=fill_the_pool, limit_seconds=0.3)
        release.join()
