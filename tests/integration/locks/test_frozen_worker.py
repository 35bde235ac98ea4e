"""A worker that freezes or dies while others wait for it: the server itself lets them go on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.db.backends.signals import connection_created
from django.test import override_settings

from pg_timepart.constants import Outcome
from pg_timepart.models import PartitionRun
from pg_timepart.postgres.sqlstate import is_passing_fault
from tests.apps.plant.models import Measurement, Reading
from tests.support.processes import forked, session, wait_until, wait_until_gone
from tests.support.table_setup import old_partition, prepare, run_pass
from tests.support.table_state import reset_plant_tables

pytestmark = pytest.mark.usefixtures("committing")

WORKER = "worker"
NEVER_LONG = {"LONG_TRANSACTION_MS": 60_000, "LOCK_WAIT_SECONDS": 30}
GUARD = f"""
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = '{WORKER}' AND query LIKE 'DO %'
"""
WAITS = f"""
SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE a.application_name = '{WORKER}' AND l.mode = 'AccessExclusiveLock' AND NOT l.granted)
"""


@pytest.fixture(autouse=True)
def plant_tables(committing: None) -> Iterator[None]:
    yield
    reset_plant_tables()


def ask(query: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


def waits() -> bool:
    return bool(ask(WAITS))


def detach() -> None:
    settings = {**NEVER_LONG, "LOCK_BUDGET_MS": 1500}
    with override_settings(PG_TIMEPART=settings):
        old_partition(Reading).detach()


BLOWS: dict[str, Callable[[int], object]] = {
    "frozen": lambda pid: os.kill(pid, signal.SIGSTOP),
    "killed": lambda pid: os.kill(pid, signal.SIGKILL),
    "unguarded": lambda _pid: ask(GUARD),
}


@pytest.mark.parametrize("blow", BLOWS)
def test_a_concurrent_detach_that_waits_for_a_lock_does_not_go_on(blow: str) -> None:
    prepare(Reading)
    leaf = old_partition(Reading).table_name
    with session("reader") as reader:
        reader.execute("BEGIN")
        reader.execute(f"SELECT count(*) FROM {leaf}")
        with forked(detach, WORKER) as worker, session("application") as application:
            wait_until(waits)
            BLOWS[blow](worker.process.pid or 0)
            application.execute("SET lock_timeout = '3s'")
            application.execute(f"SELECT count(*) FROM {leaf}")
            worker.kill()
        reader.execute("COMMIT")
    wait_until_gone(WORKER)
    assert run_pass(Reading).outcome is Outcome.DONE
    assert not old_partition(Reading).is_attached


def freeze_once_locked(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
    result = execute(sql, params, many, context)
    if "LOCK TABLE" in str(sql):
        os.kill(os.getpid(), signal.SIGSTOP)
    return result


def create_and_freeze() -> bool:
    """Return whether what it met, once it goes on, is worth another try."""

    def install(*, connection: Any, **kwargs: Any) -> None:
        connection.execute_wrappers.append(freeze_once_locked)

    connection_created.connect(install, weak=False)
    try:
        Measurement.partitioning.create_partition(0)
    except DatabaseError as error:
        return is_passing_fault(error)
    return False


HOLDS = """
SELECT EXISTS (SELECT FROM pg_locks WHERE granted AND mode = 'ShareRowExclusiveLock'
               AND relation = 'plant_machine'::regclass)
"""


def test_who_freezes_under_a_lock_is_cut_off_and_tries_again_later() -> None:
    prepare(Measurement)
    with forked(create_and_freeze, WORKER) as worker, session("application") as application:
        wait_until(lambda: ask(HOLDS))
        application.execute("SET lock_timeout = '6s'")
        application.execute("INSERT INTO plant_machine (name) VALUES ('new')")
        os.kill(worker.process.pid or 0, signal.SIGCONT)
        assert worker.result()
    assert PartitionRun.objects.filter(operation="create", outcome="failed").count() == 1
    assert Measurement.partitioning.create_partition(0).outcome is Outcome.DONE
