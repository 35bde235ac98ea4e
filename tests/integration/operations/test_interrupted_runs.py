"""A signal's exception, as Celery's soft time limit is one, while a run waits for the server."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings

from pg_timepart.constants import Outcome
from pg_timepart.errors import OperationDeferred
from pg_timepart.maintenance import manual
from pg_timepart.maintenance.history import Origin
from pg_timepart.maintenance.target import target_of
from pg_timepart.models import PartitionRun
from tests.apps.plant.models import Measurement
from tests.support.processes import session, wait_until
from tests.support.table_setup import old_partition, prepare, run_pass
from tests.support.table_state import reset_plant_tables, reset_table
from tests.support.tablespaces import tablespaces_named

pytestmark = pytest.mark.usefixtures("committing")

ALARM_SECONDS = 1.0
PATIENT = {"LONG_TRANSACTION_MS": 60_000, "LOCK_WAIT_SECONDS": 3, "LOCK_BUDGET_MS": 3_000}
AT_WORK = """
SELECT count(*) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND state <> 'idle' AND query ~ 'ALTER TABLE|LOCK TABLE'
"""
PLACE = """
SELECT s.spcname FROM pg_class c LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
WHERE c.oid = %s
"""


class Enough(Exception):
    """What the signal raises."""


@pytest.fixture(autouse=True)
def plant_tables(committing: None) -> Iterator[None]:
    prepare(Measurement, interval=2)
    yield
    reset_plant_tables()


@contextmanager
def enough_after(seconds: float) -> Iterator[None]:
    def ring(*_args: object) -> None:
        raise Enough

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def by_hand_and_interrupted(operation: Callable[..., Any], *arguments: Any) -> None:
    """Fail unless the operation is deferred, as what can be asked for again."""
    target, logs = target_of(Measurement), [old_partition(Measurement)]
    with override_settings(PG_TIMEPART=PATIENT), enough_after(ALARM_SECONDS):
        with pytest.raises(OperationDeferred):
            operation(target, logs, *arguments, origin=Origin(interruptions=(Enough,)))


def ask(query: str, *parameters: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchone()[0]


def assert_it_was_recorded_and_nothing_is_at_work() -> None:
    wait_until(lambda: ask(AT_WORK) == 0)
    recorded = PartitionRun.objects.filter(model_label="plant.measurement").latest("pk")
    assert recorded.outcome == Outcome.DEFERRED


def test_a_concurrent_detach_is_cancelled_and_ended_by_the_next_pass() -> None:
    with session("reader") as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM plant_measurement")
        by_hand_and_interrupted(manual.detach)
        assert_it_was_recorded_and_nothing_is_at_work()
    assert run_pass(Measurement).outcome is Outcome.DONE
    assert not old_partition(Measurement).is_attached
    assert old_partition(Measurement).unfinished == ""


def test_a_wait_for_a_lock_is_cancelled_and_the_next_pass_does_it() -> None:
    old_partition(Measurement).detach()
    with tablespaces_named("cellar"):
        with session("reader") as reader:
            reader.execute("BEGIN")
            reader.execute(f"SELECT count(*) FROM {old_partition(Measurement).table_name}")
            by_hand_and_interrupted(manual.move, "cellar")
            assert_it_was_recorded_and_nothing_is_at_work()
        assert ask(PLACE, old_partition(Measurement).relid) is None
        assert run_pass(Measurement).outcome is Outcome.DONE
        assert ask(PLACE, old_partition(Measurement).relid) == "cellar"
        reset_table(Measurement)
