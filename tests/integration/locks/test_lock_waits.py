"""Nobody who uses the table waits for us, and who makes us wait is named: real connections."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from threading import Event, Thread, Timer
from typing import Any

import pytest
from django.db import connection, connections
from django.db.backends.postgresql.psycopg_any import IsolationLevel, sql
from django.test import override_settings

from pg_timepart.constants import Outcome
from pg_timepart.errors import OperationDeferred
from pg_timepart.maintenance.executor import Session
from pg_timepart.maintenance.report import Report
from pg_timepart.maintenance.target import target_of
from pg_timepart.postgres.advisory_lock import advisory_lock
from pg_timepart.postgres.lock_holders import NAMESPACE
from pg_timepart.postgres.lock_waits import Budget, LockTimeout
from pg_timepart.postgres.steps import Step
from tests.apps.plant.models import Measurement, Reading, Shift
from tests.support.processes import forked, session, wait_until, wait_until_gone
from tests.support.table_setup import (
    NOW,
    OLD,
    a_machine,
    leave_a_detach_pending,
    old_partition,
    prepare,
    run_pass,
)
from tests.support.table_state import locked_tables, reset_plant_tables

pytestmark = pytest.mark.usefixtures("committing")

REPORT = "nightly report"
WAIT_SECONDS = 1.0
UNTROUBLED_SECONDS = 1.0
"""A lock budget is 50 ms; who is really blocked waits until the report ends. Machines are noisy."""


@pytest.fixture(autouse=True)
def plant_tables(committing: None) -> Iterator[None]:
    with override_settings(PG_TIMEPART={"LOCK_WAIT_SECONDS": WAIT_SECONDS}):
        yield
    reset_plant_tables()


@dataclass
class Traffic:
    """An application that goes on with its work, and how long its queries took."""

    statements: tuple[str, ...]
    seconds: list[float] = field(default_factory=list)
    is_over: Event = field(default_factory=Event)

    def run(self) -> None:
        with session("application") as cursor:
            while not self.is_over.is_set():
                for each in self.statements:
                    begun = time.monotonic()
                    cursor.execute(each)
                    self.seconds.append(time.monotonic() - begun)


@contextmanager
def traffic(*statements: str) -> Iterator[Traffic]:
    """Run the statements over and over in another thread, at least once."""
    found = Traffic(statements)
    thread = Thread(target=found.run)
    thread.start()
    try:
        wait_until(lambda: found.seconds)
        yield found
    finally:
        found.is_over.set()
        thread.join(30)
    assert not thread.is_alive(), "the application is blocked for good"
    assert max(found.seconds) < UNTROUBLED_SECONDS


def readings() -> Any:
    """Use the table as an application does, in the current partition and over all of it."""
    return traffic(
        f"INSERT INTO plant_reading (at, value) VALUES ('{NOW:%Y-%m-%d %H:%M}+00', 5)",
        "SELECT count(*) FROM plant_reading",
    )


@contextmanager
def open_for_long(*statements: str) -> Iterator[Any]:
    """Keep a transaction open that did this, and is older than a passing one by now."""
    with session(REPORT) as cursor:
        cursor.execute("BEGIN")
        for each in statements:
            cursor.execute(each)
        time.sleep(0.3)
        yield cursor


def assert_gave_way(report: Report, began: float) -> None:
    """It ended in time, and says who was in the way, of which application, and for how long."""
    assert report.outcome is Outcome.DEFERRED
    assert time.monotonic() - began < WAIT_SECONDS + 2
    assert re.search(rf"pid \d+ \(application '{REPORT}', .* open for \d+\.\d s\)", report.reason)


USES = {
    "reader": ("SELECT count(*) FROM plant_reading",),
    "writer": (f"INSERT INTO plant_reading (at, value) VALUES ('{OLD:%Y-%m-%d}', 3)",),
}


@pytest.mark.parametrize("use", USES)
def test_create_goes_on_beside_a_long_transaction(use: str) -> None:
    prepare(Reading, premake=4)
    with open_for_long(*USES[use]), readings():
        report = run_pass(Reading)
    assert report.outcome is Outcome.DONE
    assert [each.outcome for each in report.actions] == ["done"] * 3
    assert sum(each.waited_seconds for each in report.actions) == 0


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("has_default", [False, True], ids=["concurrently", "plain"])
def test_detach_gives_way_to_a_long_transaction(use: str, has_default: bool) -> None:
    prepare(Reading, interval=2)
    if has_default:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE plant_reading_rest PARTITION OF plant_reading DEFAULT")
    with open_for_long(*USES[use]) as report, readings():
        began = time.monotonic()
        assert_gave_way(run_pass(Reading), began)
        assert old_partition(Reading).is_attached
        assert not old_partition(Reading).unfinished
        report.execute("ROLLBACK")
        assert run_pass(Reading).outcome is Outcome.DONE
    assert not old_partition(Reading).is_attached


def test_detach_by_hand_raises_with_the_report() -> None:
    prepare(Reading)
    with open_for_long(*USES["reader"]):
        with pytest.raises(OperationDeferred, match=REPORT) as raised:
            old_partition(Reading).detach()
    assert raised.value.report.outcome is Outcome.DEFERRED  # type: ignore[attr-defined]


def test_detach_ends_beside_short_transactions() -> None:
    prepare(Reading, interval=2)
    with readings() as application:
        assert run_pass(Reading).outcome is Outcome.DONE
        before = len(application.seconds)
        wait_until(lambda: len(application.seconds) > before)
    assert not old_partition(Reading).is_attached


def test_create_gives_way_to_a_writer_of_a_referenced_table() -> None:
    prepare(Measurement, premake=4)
    machine = a_machine()
    write = f"UPDATE plant_machine SET name = 'other' WHERE id = {machine.pk}"
    others = "INSERT INTO plant_machine (name) VALUES ('new')"
    with open_for_long(write) as writer, traffic(others, "SELECT count(*) FROM plant_measurement"):
        began = time.monotonic()
        assert_gave_way(run_pass(Measurement), began)
        writer.execute("COMMIT")
        assert run_pass(Measurement).outcome is Outcome.DONE


def test_create_does_not_hold_a_referenced_table_while_it_waits_for_its_own() -> None:
    prepare(Measurement, premake=4)
    analyzing = "LOCK TABLE ONLY plant_measurement IN SHARE UPDATE EXCLUSIVE MODE"
    with open_for_long(analyzing), traffic("INSERT INTO plant_machine (name) VALUES ('new')"):
        began = time.monotonic()
        report = run_pass(Measurement)
        assert_gave_way(report, began)
    assert {each.statements for each in report.actions} == {()}


@pytest.mark.parametrize(("times", "fits"), [(1, True), (2, False)])
def test_the_statements_under_a_lock_share_one_budget(times: int, fits: bool) -> None:
    sleeping = sql.SQL("SELECT pg_sleep(0.2)")
    step = Step(summary="sleep", statements=(sleeping,) * times)
    budget = Budget(lock_ms=300, wait_seconds=0, long_transaction_ms=250)
    expected: AbstractContextManager[object] = nullcontext() if fits else pytest.raises(LockTimeout)
    with expected:
        Session(connection=connection, budget=budget).run([step])


def test_detach_with_a_foreign_key_gives_way_to_an_old_snapshot() -> None:
    """FINALIZE would wait for it, and a foreign key may make FINALIZE needed."""
    prepare(Measurement, interval=2)
    with open_for_long("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1") as report:
        began = time.monotonic()
        assert_gave_way(run_pass(Measurement), began)
        assert old_partition(Measurement).is_attached
        report.execute("COMMIT")
        assert run_pass(Measurement).outcome is Outcome.DONE


def test_a_pending_detach_waits_for_an_old_snapshot() -> None:
    prepare(Reading, interval=2)
    leave_a_detach_pending(Reading)
    snapshot = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1")
    with open_for_long(*snapshot) as report, readings():
        began = time.monotonic()
        assert_gave_way(run_pass(Reading), began)
        report.execute("COMMIT")
        assert run_pass(Reading).outcome is Outcome.DONE
    assert not old_partition(Reading).is_attached


def test_calling_off_a_pending_detach_waits_for_an_old_snapshot_and_names_it() -> None:
    prepare(Reading)
    leave_a_detach_pending(Reading)
    snapshot = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1")
    with open_for_long(*snapshot) as report, readings():
        with pytest.raises(OperationDeferred, match=rf"application '{REPORT}'.* snapshot"):
            old_partition(Reading).attach()
        report.execute("COMMIT")
        old_partition(Reading).attach()
    assert old_partition(Reading).is_attached


def test_a_snapshot_that_stays_after_the_first_look_is_named() -> None:
    """Not long enough to be waited out from afar, and in the way of every try."""
    prepare(Reading, interval=2)
    leave_a_detach_pending(Reading)
    snapshot = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1")
    never_long = {"LOCK_WAIT_SECONDS": 0.3, "LONG_TRANSACTION_MS": 60_000}
    with open_for_long(*snapshot), override_settings(PG_TIMEPART=never_long):
        report = run_pass(Reading)
    assert report.outcome is Outcome.DEFERRED
    assert re.search(rf"application '{REPORT}'.* holds snapshot on the database", report.reason)


def test_a_pending_detach_is_taken_back_by_hand() -> None:
    prepare(Reading)
    leave_a_detach_pending(Reading)
    old_partition(Reading).attach()
    assert old_partition(Reading).is_attached
    assert Reading.objects.count() == 1


def oid_of(model: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::regclass::oid::bigint", [model._meta.db_table])
        return int(cursor.fetchone()[0])


def take_advisory(model: Any) -> str:
    return f"SELECT pg_advisory_xact_lock({NAMESPACE}, {oid_of(model)})"


def test_a_pass_gives_way_at_once_to_another() -> None:
    prepare(Reading, premake=4)
    with open_for_long(take_advisory(Reading)):
        began = time.monotonic()
        report = run_pass(Reading)
        assert time.monotonic() - began < WAIT_SECONDS
        assert_gave_way(report, began)
    assert run_pass(Reading).outcome is Outcome.DONE


def test_work_by_hand_waits_its_turn() -> None:
    prepare(Reading)
    with open_for_long(take_advisory(Reading)) as other:
        release = Timer(0.5, other.execute, ["COMMIT"])
        release.start()
        assert Reading.partitioning.create_partition(0).outcome is Outcome.DONE
        release.join()


def test_work_by_hand_does_not_wait_for_ever() -> None:
    prepare(Reading)
    with open_for_long(take_advisory(Reading)):
        with pytest.raises(OperationDeferred, match=REPORT):
            Reading.partitioning.create_partition(0)


def test_another_table_has_another_lock() -> None:
    prepare(Reading, premake=4)
    with open_for_long(take_advisory(Measurement)):
        assert run_pass(Reading).outcome is Outcome.DONE


def hold_the_lock(seconds: float) -> None:
    target = target_of(Reading)
    with advisory_lock(connection, target.read([])):
        time.sleep(seconds)


def test_the_lock_names_the_table_and_dies_with_its_worker() -> None:
    prepare(Reading, premake=4)
    with session("onlooker") as onlooker:
        with forked(lambda: hold_the_lock(30), "worker") as worker:
            assert wait_until(lambda: locked_tables(onlooker)) == ["plant_reading"]
            assert "application 'worker'" in run_pass(Reading).reason
            worker.kill()
            wait_until_gone("worker")
        assert locked_tables(onlooker) == []
    assert run_pass(Reading).outcome is Outcome.DONE


@contextmanager
def notices() -> Iterator[list[str]]:
    """Collect what the server says to the connection, whichever driver that is."""
    found: list[str] = []
    raw: Any = connection.connection
    if hasattr(raw, "add_notice_handler"):
        raw.add_notice_handler(lambda notice: found.append(notice.message_primary))
    with connection.cursor() as cursor:
        cursor.execute("SET client_min_messages = debug1")
        yield found
        cursor.execute("RESET client_min_messages")
    if not hasattr(raw, "add_notice_handler"):
        found += raw.notices


@pytest.mark.parametrize("model", [Reading, Measurement, Shift])
@pytest.mark.parametrize("concurrently", [True, False], ids=["concurrently", "plain"])
def test_attaching_back_scans_nothing_under_its_lock(model: Any, concurrently: bool) -> None:
    prepare(model)
    log = old_partition(model)
    log.detach(concurrently=concurrently)
    with notices() as said:
        log.attach()
    sentence = f'partition constraint for table "{log.table_name}" is implied by existing'
    assert any(sentence in each for each in said), said
    # A plain detach leaves no CHECK: one is added and verified first, while nobody waits.
    assert sum("verifying table" in each for each in said) == (0 if concurrently else 1)


def test_a_snapshot_of_our_own_does_not_stand_in_the_way() -> None:
    """A project may set another isolation level; the lock's connection then has a snapshot."""
    prepare(Reading, interval=2)
    leave_a_detach_pending(Reading)
    options = connections["default"].settings_dict["OPTIONS"]
    assert "isolation_level" not in options
    connection.close()
    options["isolation_level"] = IsolationLevel.REPEATABLE_READ
    try:
        assert run_pass(Reading).outcome is Outcome.DONE
    finally:
        connection.close()
        del options["isolation_level"]
