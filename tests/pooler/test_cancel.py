"""What bounds a concurrent detach is a cancel request: it meets that statement, and no other."""

from __future__ import annotations

import re
from threading import Timer

import pytest
from django.db import OperationalError, connection
from django.test import override_settings

from pg_timepart.constants import Outcome
from pg_timepart.postgres.cancel import cancelled_after
from pg_timepart.postgres.sqlstate import QUERY_CANCELED, sqlstate
from tests.apps.plant.models import Measurement, Reading
from tests.pooler.application import Application
from tests.pooler.pooled_deployment import PooledInstallation
from tests.pooler.table import Model, execute, parent_held, prepare_old, run_pass
from tests.support.processes import forked, session

BOLD = {"LONG_TRANSACTION_MS": 600_000, "LOCK_WAIT_SECONDS": 1}
"""Begins to detach although somebody has the table for long, and is cancelled after a second."""

CANCELLED = re.compile(r"canceling statement due to user request\n.*?STATEMENT:\s+(.*)")


@pytest.mark.parametrize("model", [Reading, Measurement])
def test_the_cancel_meets_the_detach_and_nobody_else(
    server: PooledInstallation, model: Model
) -> None:
    prepare_old(model, interval=2)
    said = len(server.postgres.log.read_text())
    with parent_held(model), override_settings(PG_TIMEPART=BOLD):
        with Application(server, "SELECT pg_sleep(0.02)", count=4).at_work() as application:
            with forked(lambda: detached_through(server, model), "worker") as worker:
                statements = worker.result()
    assert statements[-1] == "-- ended by FINALIZE"
    assert application.errors == []
    cancelled = CANCELLED.findall(server.postgres.log.read_text()[said:])
    assert cancelled
    assert all(re.match("ALTER TABLE .* DETACH PARTITION .* CONCURRENTLY", s) for s in cancelled)


def detached_through(server: PooledInstallation, model: Model) -> tuple[str, ...]:
    """Return what a pass through the pooler ran to detach, and did."""
    with server.through():
        report = run_pass(model)
    assert report.outcome is Outcome.DONE, report
    (detached,) = (each for each in report.actions if each.kind == "detach")
    return detached.statements


def test_a_statement_that_waited_for_the_pool_is_cancelled_too(server: PooledInstallation) -> None:
    """A request that comes while the statement has no server connection yet is lost."""
    with server.narrow(1), session("other") as other:
        connection.ensure_connection()
        other.execute("BEGIN")
        release = Timer(1.0, other.execute, ["COMMIT"])
        release.start()
        with pytest.raises(OperationalError) as cancelled, cancelled_after(connection, 0.3):
            execute("SELECT pg_sleep(8)")
        assert sqlstate(cancelled.value) == QUERY_CANCELED
        release.join()
