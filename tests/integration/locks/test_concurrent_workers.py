"""Many workers on one table at once: the end is that of a single one."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test import override_settings

from pg_timepart.constants import Outcome
from pg_timepart.maintenance.maintain import maintain
from pg_timepart.models import PartitionLog
from tests.apps.plant.models import Machine, Measurement, Reading
from tests.support.processes import barrier, forked
from tests.support.table_state import State, change_policy, observe, reset_plant_tables, reset_table

pytestmark = pytest.mark.usefixtures("committing")

NOW = dt.datetime(2024, 3, 10, 12, tzinfo=dt.UTC)
OLD = dt.datetime(2024, 3, 5, tzinfo=dt.UTC)
ROUNDS = 15
HOLDER = re.compile(r"pid \d+ \(application 'worker-[12]'")


@pytest.fixture(autouse=True)
def plant_tables(committing: None) -> Iterator[None]:
    yield
    reset_plant_tables()


def prepare() -> None:
    """Leave something to create, something to detach and something to drop."""
    reset_table(Measurement)
    partitioning: Any = Measurement.partitioning
    partitioning.create_range(OLD, OLD + dt.timedelta(days=2))
    machine = Machine.objects.get_or_create(name="press")[0]
    Measurement.objects.create(at=OLD, value=1, machine=machine)
    the_dropped().detach()
    PartitionLog.objects.filter(pk=the_dropped().pk).update(detached_at=OLD)
    change_policy(Measurement, interval=2, drop_after=dt.timedelta(days=1))


def the_dropped() -> PartitionLog:
    return PartitionLog.objects.get(config__model_label="plant.measurement", start__gt=OLD)


def maintain_once() -> tuple[Outcome, str]:
    report = maintain("plant.measurement", now=NOW)
    return report.outcome, report.reason


def maintain_in_step(gate: Any) -> list[tuple[Outcome, str]]:
    """Maintain once a round, between two gates."""
    outcomes = []
    for _ in range(ROUNDS):
        gate.wait(60)
        outcomes.append(maintain_once())
        gate.wait(60)
    return outcomes


def single() -> State:
    prepare()
    assert maintain_once() == (Outcome.DONE, "")
    return observe(Measurement)


def test_two_processes_maintain_one_table() -> None:
    wanted, gate = single(), barrier(3)
    found: list[str] = []
    with (
        forked(lambda: maintain_in_step(gate), "worker-1") as first,
        forked(lambda: maintain_in_step(gate), "worker-2") as second,
    ):
        for _ in range(ROUNDS):
            prepare()
            gate.wait(60)
            gate.wait(60)
            found.append(wanted.difference(observe(Measurement)))
        rounds = list(zip(first.result(), second.result(), strict=True))
    assert found == [""] * ROUNDS
    for pair in rounds:
        outcomes = sorted(outcome for outcome, _ in pair)
        assert outcomes in (["deferred", "done"], ["done", "unchanged"]), pair
    reasons = [reason for pair in rounds for outcome, reason in pair if outcome == "deferred"]
    assert any(HOLDER.search(each) for each in reasons), "they never met"
    assert all(HOLDER.search(each) or "just finished" in each for each in reasons)


def in_threads(work: Any, count: int) -> list[Any]:
    """Run ``work`` in threads that begin together."""
    gate = Barrier(count)

    def one(_: int) -> Any:
        try:
            connection.ensure_connection()
            gate.wait(30)
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_eight_threads_provide_for_the_same_days() -> None:
    reset_table(Reading)
    Reading.partitioning.create_partition(5)
    wanted = observe(Reading)
    reset_table(Reading)
    reports = in_threads(lambda: Reading.partitioning.create_partition(5), 8)
    assert not wanted.difference(observe(Reading))
    assert sorted(each.outcome for each in reports) == ["done"] + ["unchanged"] * 7


def test_eight_processes_make_one_partition_each() -> None:
    """Nobody's request is dropped, and nobody takes another's range."""
    reset_table(Reading)
    Reading.partitioning.create_partition(0)
    gate = barrier(8)

    def work() -> Outcome:
        connection.ensure_connection()
        gate.wait(30)
        outcome: Outcome = Reading.partitioning.create_partition(0).outcome
        return outcome

    with ExitStack() as stack:
        workers = [stack.enter_context(forked(work, f"worker-{n}")) for n in range(8)]
        assert [each.result() for each in workers] == [Outcome.DONE] * 8
    rows = PartitionLog.objects.filter(config__model_label="plant.reading").order_by("start")
    assert len(rows) == 9
    assert [row.end for row in rows[:8]] == [row.start for row in rows[1:]]


def test_eight_threads_insert_the_config() -> None:
    """The first use of a model may happen in many places at once."""
    reset_table(Reading)
    Reading.partitioning.config.delete()
    found = in_threads(lambda: Reading.partitioning.config.pk, 8)
    assert len(set(found)) == 1


def test_a_table_made_by_somebody_else_in_between() -> None:
    """An operator's CREATE TABLE of the wanted name, uncommitted while the pass tries it."""
    reset_table(Reading)
    name = "plant_reading_20240310_20240311"
    other = connection.copy()
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            cursor.execute(f"CREATE TABLE {name} (LIKE plant_reading)")
        with override_settings(PG_TIMEPART={"LOCK_WAIT_SECONDS": 0.3}):
            first = maintain("plant.reading", now=NOW)
        assert first.outcome is Outcome.DEFERRED
        other.commit()
    finally:
        other.close()
    second = maintain("plant.reading", now=NOW)
    assert second.outcome is Outcome.DONE
    assert f"{name}_2" in [each.partition for each in second.actions]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {name}")
    assert maintain("plant.reading", now=NOW).outcome is Outcome.UNCHANGED
