"""What the budget is: the locks of a try share it, and what is done under them gets as much again.

The application's ``lock_timeout`` is the measure: a statement that waits longer fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings

from pg_timepart.constants import Outcome
from pg_timepart.errors import OperationDeferred
from pg_timepart.maintenance.report import Report
from pg_timepart.postgres.lock_attempts import share_of
from tests.apps.plant.models import Measurement
from tests.support.processes import forked, session, wait_until
from tests.support.table_setup import a_machine, old_partition, prepare
from tests.support.table_state import reset_plant_tables

pytestmark = pytest.mark.usefixtures("committing")

WORKER = "worker"
INSERT = "INSERT INTO plant_machine (name) VALUES ('new')"

SLOW_SERVER = f"""
CREATE FUNCTION plant_slow() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
    IF current_setting('application_name') = '{WORKER}' THEN PERFORM pg_sleep(30); END IF;
END $$;
CREATE EVENT TRIGGER plant_slow ON ddl_command_end WHEN TAG IN ('ALTER TABLE')
    EXECUTE FUNCTION plant_slow();
"""

WAITS = """
SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE a.application_name = %s AND l.locktype = 'relation' AND NOT l.granted)
"""


@pytest.fixture(autouse=True)
def plant_tables(committing: None) -> Iterator[None]:
    yield
    reset_plant_tables()


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def waits(application: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(WAITS, [application])
        return bool(cursor.fetchone()[0])


@contextmanager
def budget(milliseconds: int) -> Iterator[None]:
    """Try each lock once, whoever has it, for so long."""
    once = {
        "LOCK_BUDGET_MS": milliseconds,
        "LOCK_WAIT_SECONDS": 0,
        "LONG_TRANSACTION_MS": 60_000,
    }
    with override_settings(PG_TIMEPART=once):
        yield


@contextmanager
def open_transaction(statement: str) -> Iterator[Any]:
    with session("holder") as cursor:
        cursor.execute("BEGIN")
        cursor.execute(statement)
        yield cursor
        cursor.execute("ROLLBACK")


@pytest.fixture
def slow_server() -> Iterator[None]:
    """One on which our ALTER TABLE never comes to its end."""
    execute(SLOW_SERVER)
    yield
    execute("DROP EVENT TRIGGER plant_slow; DROP FUNCTION plant_slow()")


def outcome_of(work: Any) -> Outcome:
    try:
        report: Report = work()
    except OperationDeferred:
        return Outcome.DEFERRED
    return report.outcome


def test_the_locks_of_a_try_share_the_budget() -> None:
    """Four locks: the last of them is waited for a quarter of the time, while three are held."""
    prepare(Measurement)
    execute("CREATE TABLE plant_measurement_rest PARTITION OF plant_measurement DEFAULT")
    with budget(2000), open_transaction(f"SELECT FROM {old_partition(Measurement).table_name}"):
        with forked(lambda: outcome_of(old_partition(Measurement).detach), WORKER) as worker:
            wait_until(lambda: waits(WORKER))
            with session("application") as application:
                application.execute("SET lock_timeout = '1000ms'")
                application.execute(INSERT)
            assert worker.result() is Outcome.DEFERRED


def test_what_is_done_under_the_locks_takes_the_budget_at_most(slow_server: None) -> None:
    """Half a budget of waiting for one of two locks, and a whole one of a statement too slow."""
    prepare(Measurement)
    used = f"UPDATE plant_machine SET name = 'other' WHERE id = {a_machine().pk}"

    def insert() -> None:
        with session("application") as application:
            application.execute("SET lock_timeout = '2000ms'")
            application.execute(INSERT)

    create = Measurement.partitioning.create_partition
    with budget(1000), open_transaction(used) as holder:
        with forked(lambda: outcome_of(lambda: create(0)), WORKER) as worker:
            wait_until(lambda: waits(WORKER))
            with forked(insert, "inserting") as application:
                wait_until(lambda: waits("application"))
                holder.execute("COMMIT")
                application.result()
            assert worker.result() is Outcome.DEFERRED


@pytest.mark.parametrize("locks", [1, 2, 3, 4, 7, 20])
def test_all_shares_are_no_more_than_the_budget(locks: int) -> None:
    """Unless there are more locks than milliseconds: the server counts no shorter."""
    share: Any = share_of(50, [None] * locks)  # type: ignore[list-item]
    assert 0 < share * locks <= 50
