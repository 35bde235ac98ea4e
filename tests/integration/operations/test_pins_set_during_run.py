"""Pins that somebody sets while a run is at work on the same table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings

from pg_timepart.constants import ActionKind
from pg_timepart.errors import OperationDeferred, OperationFailed
from pg_timepart.maintenance.actions.drop import Drop
from pg_timepart.maintenance.actions.handlers import HANDLERS
from pg_timepart.maintenance.executor import Session
from pg_timepart.maintenance.maintain import maintain
from pg_timepart.maintenance.reconcile import reconcile
from pg_timepart.models import PartitionLog
from tests.apps.fleet.models import Ship
from tests.support.database import Database, Tablespaces, at, outcomes
from tests.support.other_runs import TRYING
from tests.support.processes import Worker, forked, session, wait_until

MAY = at("2024-05-15 10:30")
LATER = at("2030-01-01")

WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = %s AND wait_event_type = 'Lock' AND query LIKE '%%partitionlog%%'
"""

patient = override_settings(PG_TIMEPART={"LONG_TRANSACTION_MS": 60_000, "LOCK_WAIT_SECONDS": 20})
short_lock_wait = override_settings(PG_TIMEPART={"LONG_TRANSACTION_MS": 1, "LOCK_WAIT_SECONDS": 1})


@contextmanager
def reader_of(table: str) -> Iterator[Callable[[], None]]:
    """Have somebody read the table in an open transaction; gives what ends it."""
    with session("a report") as report:
        report.execute(f"BEGIN; SELECT count(*) FROM {table}")
        yield lambda: report.execute("COMMIT")


@contextmanager
def a_pass_detaching(first: PartitionLog) -> Iterator[Worker]:
    """Have a pass at work that cannot end the detach of ``first`` before its readers go."""
    with forked(lambda: maintain("fleet.ship", now=MAY).outcome, "pass") as worker:
        wait_until(lambda: is_begun(first, "detach"))
        yield worker


def is_begun(log: PartitionLog, operation: str) -> bool:
    log.refresh_from_db()
    return log.unfinished == operation


def expired(database: Database) -> list[PartitionLog]:
    """Return the rows of two attached months that the next pass detaches."""
    database.configure(Ship, interval=1, premake=1)
    return database.cover(Ship, "2024-01-01", "2024-02-01", "2024-03-01")


def the_attached(database: Database, log: PartitionLog) -> tuple[bool, Any]:
    log.refresh_from_db()
    return log.table_name in database.children(Ship), log.detach_time


def test_what_could_not_be_attached_with_a_pin_is_not_dropped_by_a_pass(database: Database) -> None:
    log = expired(database)[0]
    database.configure(Ship, drop_after=timedelta(0))
    log.detach()
    PartitionLog.objects.filter(pk=log.pk).update(detached_at=at("2024-05-01"))
    database.execute(f"ALTER TABLE {log.table_name} ADD COLUMN extra integer")
    log.refresh_from_db()
    with pytest.raises(OperationFailed, match="only it has the column"):
        log.attach(LATER)
    maintain("fleet.ship", now=MAY)
    assert database.exists(log.table_name)
    log.refresh_from_db()
    log.delete()
    assert not database.exists(log.table_name)


def test_a_pin_that_comes_just_before_a_drop_holds(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = expired(database)[0]
    database.configure(Ship, drop_after=timedelta(0))
    log.detach()
    PartitionLog.objects.filter(pk=log.pk).update(detached_at=at("2024-05-01"))

    class PinnedFirst(Drop):
        def perform(self, session: Session) -> str:
            PartitionLog.objects.filter(pk=log.pk).update(detach_time=LATER)
            return super().perform(session)

    monkeypatch.setitem(HANDLERS, ActionKind.DROP, PinnedFirst)
    assert ("drop", "deferred") in outcomes(maintain("fleet.ship", now=MAY))
    assert database.exists(log.table_name)


@patient
@pytest.mark.parametrize("number", [0, 1])
def test_a_pin_that_comes_while_a_pass_detaches_holds(database: Database, number: int) -> None:
    """Both what the pass is at, and what it has planned to detach next."""
    logs = expired(database)
    log = logs[number]
    with (
        reader_of("fleet_ship") as end_reading,
        a_pass_detaching(logs[0]) as the_pass,
        forked(lambda: log.attach(LATER).outcome, "attach") as attaching,
    ):
        wait_until(lambda: database.one(TRYING, "attach"))
        end_reading()
        assert (the_pass.result(), attaching.result()) == ("done", "done")
    assert the_attached(database, log) == (True, LATER)
    assert maintain("fleet.ship", now=MAY).outcome == "unchanged"
    assert the_attached(database, log) == (True, LATER)


@patient
def test_a_pin_of_all_that_is_detached_holds_for_what_a_pass_detaches_meanwhile(
    database: Database,
) -> None:
    logs = expired(database)
    with (
        reader_of("fleet_ship") as end_reading,
        a_pass_detaching(logs[0]) as the_pass,
        forked(
            lambda: Ship.partitioning.attach_partition(detach_time=LATER).outcome, "attach"
        ) as attaching,
    ):
        wait_until(lambda: database.one(TRYING, "attach"))
        end_reading()
        assert (the_pass.result(), attaching.result()) == ("done", "done")
    assert [the_attached(database, each) for each in logs] == [(True, LATER)] * 2


@patient
def test_a_pin_that_finds_another_run_on_the_table_says_so(database: Database) -> None:
    """Rather than report what a pass with older plans is about to undo."""
    logs = expired(database)
    with (
        reader_of("fleet_ship") as end_reading,
        a_pass_detaching(logs[0]) as the_pass,
    ):
        with (
            override_settings(PG_TIMEPART={"LOCK_WAIT_SECONDS": 0.1}),
            pytest.raises(OperationDeferred, match="holds its advisory lock"),
        ):
            logs[1].attach(LATER)
        end_reading()
        assert the_pass.result() == "done"
    assert the_attached(database, logs[1]) == (False, None)


@patient
def test_a_pin_that_an_operator_edits_while_a_table_moves_stays(
    database: Database, tablespaces: Tablespaces
) -> None:
    (log,) = database.cover(Ship, "2024-01-01", "2024-02-01")
    log.detach()
    with (
        reader_of(log.table_name) as end_reading,
        forked(lambda: log.set_tablespace(tablespaces.cold).outcome, "move") as moving,
    ):
        wait_until(lambda: is_begun(log, "move"))
        PartitionLog.objects.filter(pk=log.pk).update(detach_time=LATER)
        end_reading()
        assert moving.result() == "done"
    log.refresh_from_db()
    assert (log.unfinished, log.detach_time) == ("", LATER)


@short_lock_wait
def test_a_pin_that_an_operator_edits_stays_also_when_the_move_gives_way(
    database: Database, tablespaces: Tablespaces
) -> None:
    (log,) = database.cover(Ship, "2024-01-01", "2024-02-01")
    with (
        reader_of(log.table_name),
        forked(lambda: log.set_tablespace(tablespaces.cold).outcome, "move") as moving,
    ):
        wait_until(lambda: is_begun(log, "move"))
        PartitionLog.objects.filter(pk=log.pk).update(detach_time=LATER)
        with pytest.raises(OperationDeferred):
            moving.result()
    log.refresh_from_db()
    assert (log.unfinished, log.detach_time) == ("", LATER)


def test_a_pin_that_an_operator_edits_while_the_row_is_repaired_stays(database: Database) -> None:
    (log,) = database.cover(Ship, "2024-01-01", "2024-02-01")
    database.execute(f"ALTER TABLE {log.table_name} RENAME TO theirs")
    with session("operator") as operator:
        operator.execute("BEGIN")
        operator.execute(
            "UPDATE pg_timepart_partitionlog SET detach_time = %s WHERE id = %s", (LATER, log.pk)
        )
        with forked(lambda: reconcile("fleet.ship").outcome, "reconcile") as repairing:
            wait_until(lambda: database.one(WAITING, "reconcile"))
            operator.execute("COMMIT")
            assert repairing.result() == "done"
    log.refresh_from_db()
    assert (log.table_name, log.detach_time) == ("theirs", LATER)
