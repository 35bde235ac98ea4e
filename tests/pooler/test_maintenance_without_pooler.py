"""The application through the pooler, what maintains tables past it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import override_settings

from pg_timepart.constants import Outcome
from tests.apps.plant.models import Measurement, Reading
from tests.pooler.application import Application
from tests.pooler.pooled_deployment import PooledInstallation
from tests.pooler.session_leaks import leaks
from tests.pooler.table import Model, parent_held, prepare_old, run_pass
from tests.support.other_database import using_database
from tests.support.processes import forked, wait_until
from tests.support.scenarios import pending
from tests.support.table_state import observe

PAST = {"MAINTENANCE_DATABASES": {"default": "other"}}
AT_WORK = """
SELECT pid FROM pg_stat_activity WHERE application_name = 'worker' AND state <> 'idle'
"""


@pytest.fixture
def past(server: PooledInstallation) -> Iterator[None]:
    """Have the alias ``other`` lead to the server itself."""
    with using_database(server.postgres.url, "other"):
        yield


@pytest.mark.usefixtures("past")
@pytest.mark.parametrize("model", [Reading, Measurement])
def test_a_pool_of_one_is_enough_for_all_else(server: PooledInstallation, model: Model) -> None:
    prepare_old(model, interval=2)
    run_pass(model)
    wanted = observe(model)
    prepare_old(model, interval=2)
    with override_settings(PG_TIMEPART=PAST), server.narrow(1):
        assert run_pass(model).outcome is Outcome.DONE
        assert run_pass(model).outcome is Outcome.UNCHANGED
        assert wanted.difference(observe(model)) == ""


@pytest.mark.usefixtures("past")
def test_nothing_that_holds_a_connection_for_long_is_in_the_pool(
    server: PooledInstallation,
) -> None:
    prepare_old(Reading, interval=2)
    with parent_held() as reader, Application(server, "SELECT 1").at_work() as application:
        with forked(lambda: pass_past(server), "worker") as worker:
            wait_until(lambda: pending(Reading))
            # One has the advisory lock, one waits in the detach, and one watches that.
            wait_until(lambda: len(at_work()) == 3)
            assert not at_work() & server.pooled_pids()
            reader.execute("ROLLBACK")
            assert worker.result() is Outcome.DONE
    assert application.errors == []
    assert leaks(server) == []


def at_work() -> set[int]:
    """Return the server processes that do something for the worker."""
    with connection.cursor() as cursor:
        cursor.execute(AT_WORK)
        return {pid for (pid,) in cursor.fetchall()}


def pass_past(server: PooledInstallation) -> Outcome:
    patience = {"LONG_TRANSACTION_MS": 600_000, "LOCK_WAIT_SECONDS": 30}
    with override_settings(PG_TIMEPART={**PAST, **patience}), server.through():
        return run_pass(Reading).outcome
