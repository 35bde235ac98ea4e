"""Writers of a referenced table that overlap for ever: none is long, and there is never a gap."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Event, Thread
from typing import Any

import pytest
from django.test import override_settings

from pg_timepart.constants import Outcome
from pg_timepart.maintenance.maintain import maintain
from pg_timepart.maintenance.report import Report
from tests.apps.plant.models import Measurement
from tests.support.processes import session, wait_until
from tests.support.table_setup import NOW, a_machine, prepare
from tests.support.table_state import reset_plant_tables, reset_table

pytestmark = pytest.mark.usefixtures("committing")

WRITERS = 8
SECONDS = 0.15
"""How long each of their transactions is open; a lock budget is 50 ms."""


@pytest.fixture(autouse=True)
def plant_tables(committing: None) -> Iterator[None]:
    yield
    reset_plant_tables()


@contextmanager
def permanent_writers() -> Iterator[list[float]]:
    """Let them write until the block has ended; give how long each of their UPDATEs took."""
    machines = [a_machine(f"machine {number}").pk for number in range(WRITERS)]
    is_over, taken = Event(), []

    def write(cursor: Any, machine: int) -> None:
        is_over.wait(SECONDS * machines.index(machine) / WRITERS)
        while not is_over.is_set():
            cursor.execute("BEGIN")
            begun = time.monotonic()
            cursor.execute("UPDATE plant_machine SET name = 'busy' WHERE id = %s", [machine])
            taken.append(time.monotonic() - begun)
            time.sleep(SECONDS)
            cursor.execute("COMMIT")

    with ExitStack() as stack:
        cursors = [stack.enter_context(session("writer")) for _ in machines]
        threads = [Thread(target=write, args=pair) for pair in zip(cursors, machines, strict=True)]
        for each in threads:
            each.start()
        try:
            wait_until(lambda: len(taken) >= WRITERS)
            yield taken
        finally:
            is_over.set()
            for each in threads:
                each.join()


def a_pass(**options: Any) -> Report:
    with override_settings(PG_TIMEPART={"LOCK_WAIT_SECONDS": 0.6, **options}):
        return maintain("plant.measurement", now=NOW)


def test_a_create_that_gives_way_says_which_setting_helps() -> None:
    reset_table(Measurement)
    with permanent_writers():
        report = a_pass()
    assert report.outcome is Outcome.DEFERRED
    detail = report.actions[0].detail
    assert "they left no gap: a larger LOCK_BUDGET_MS (now 50 ms" in detail
    assert "URGENT_LOCK_BUDGET_MS" in detail


def test_transactions_that_count_as_long_name_the_other_setting() -> None:
    reset_table(Measurement)
    with permanent_writers():
        report = a_pass(LONG_TRANSACTION_MS=1)
    assert report.outcome is Outcome.DEFERRED
    assert "raise LONG_TRANSACTION_MS (now 1)" in report.actions[0].detail


def test_one_who_holds_it_all_the_time_is_named_without_advice() -> None:
    reset_table(Measurement)
    a_machine()
    with session("report") as report:
        report.execute("BEGIN")
        report.execute("UPDATE plant_machine SET name = 'busy'")
        detail = a_pass().actions[0].detail
        report.execute("ROLLBACK")
    assert "application 'report'" in detail
    assert "No one held it" not in detail


def test_an_urgent_create_may_wait_for_longer() -> None:
    reset_table(Measurement)
    with permanent_writers() as taken:
        report = a_pass(URGENT_LOCK_BUDGET_MS=2000)
    assert [each.outcome for each in report.actions] == [Outcome.DONE, Outcome.DONE]
    assert max(taken) < 4


def test_what_no_insert_needs_within_one_period_is_not_urgent() -> None:
    prepare(Measurement, premake=2)
    with permanent_writers():
        report = a_pass(URGENT_LOCK_BUDGET_MS=2000)
    assert [each.outcome for each in report.actions] == [Outcome.DEFERRED]
