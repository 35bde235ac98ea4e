"""The grace before a drop is counted from when a partition was detached, and no earlier."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from threading import Timer
from typing import Any

import pytest
from django.db import connection

from pg_timepart.maintenance import maintain
from pg_timepart.maintenance.run import Request, run
from pg_timepart.maintenance.target import target_of
from pg_timepart.models import PartitionLog
from pg_timepart.partitions.planner import plan_pass
from pg_timepart.postgres.lock_holders import NAMESPACE
from tests.apps.plant.models import Reading
from tests.support.processes import session
from tests.support.table_state import reset_plant_tables, reset_table

pytestmark = pytest.mark.usefixtures("committing")

OLD = dt.datetime(2024, 3, 5, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def plant_tables(committing: None) -> Iterator[None]:
    yield
    reset_plant_tables()


def old_partition() -> PartitionLog:
    return PartitionLog.objects.get(config__model_label="plant.reading", start=OLD)


def clock() -> dt.datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: dt.datetime = cursor.fetchone()[0]
        return moment


def test_a_detach_that_waited_is_recorded_when_it_was_done() -> None:
    reset_table(Reading)
    partitioning: Any = Reading.partitioning
    partitioning.create_range(OLD, OLD + dt.timedelta(days=1))
    ended: list[dt.datetime] = []
    with session("report") as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT count(*) FROM plant_reading")

        def end() -> None:
            cursor.execute("SELECT clock_timestamp()")
            ended.extend(cursor.fetchone())
            cursor.execute("COMMIT")

        timer = Timer(1.0, end)
        timer.start()
        old_partition().detach()
        timer.join()
    detached_at = old_partition().detached_at
    assert detached_at is not None
    assert ended[0] < detached_at <= clock()


def test_a_grace_that_ends_while_a_run_waits_its_turn_is_for_the_next_run() -> None:
    reset_table(Reading, drop_after=dt.timedelta(seconds=1))
    partitioning: Any = Reading.partitioning
    partitioning.create_range(OLD, OLD + dt.timedelta(days=1))
    old_partition().detach()
    with session("other") as cursor:
        cursor.execute("BEGIN")
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, 'plant_reading'::regclass::oid::int)", [NAMESPACE]
        )
        timer = Timer(1.5, lambda: cursor.execute("COMMIT"))
        timer.start()
        waiting = Request(operation="maintain", planner=plan_pass, wait_seconds=20)
        report = run(target_of(Reading), waiting)
        timer.join()
    assert (report.outcome, {each.kind.value for each in report.actions}) == ("done", {"create"})
    assert [each.kind.value for each in maintain.maintain("plant.reading").actions] == ["drop"]
