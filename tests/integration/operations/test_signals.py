"""Signals: once for each partition, after the commit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection, transaction

from pg_timepart import signals
from pg_timepart.maintenance.actions.create import MAX_NAMES
from pg_timepart.maintenance.history import Origin
from pg_timepart.maintenance.maintain import maintain
from pg_timepart.models import PartitionLog
from tests.apps.fleet.models import Ship
from tests.support.database import Database, at
from tests.support.processes import terminate

MAY = at("2024-05-15 10:30")

SIGNALS = {
    "create": signals.post_create_partition,
    "attach": signals.post_attach_partition,
    "detach": signals.post_detach_partition,
}


NAMES_OF_MAY = [
    "fleet_ship_20240501_20240601",
    *(f"fleet_ship_20240501_20240601_{number}" for number in range(2, MAX_NAMES + 1)),
]


class TimeIsUp(Exception):
    """As Celery's soft time limit is."""


@pytest.fixture
def heard(database: Database) -> Iterator[list[tuple[str, Any, str]]]:
    """What was sent: which signal, by whom, about which partition."""
    told: list[tuple[str, Any, str]] = []
    receivers = []
    for name, signal in SIGNALS.items():

        def receive(sender: Any, partition_log: PartitionLog, name: str = name, **_: Any) -> None:
            assert not connection.in_atomic_block
            row = PartitionLog.objects.get(pk=partition_log.pk)
            assert row.is_attached == (name != "detach")
            assert partition_log.is_attached == row.is_attached
            told.append((name, sender, partition_log.table_name))

        signal.connect(receive)
        receivers.append((signal, receive))
    yield told
    for signal, receive in receivers:
        signal.disconnect(receive)


def test_creating_by_a_pass(database: Database, heard: list[Any]) -> None:
    maintain("fleet.ship", now=MAY)
    assert heard == [
        ("create", Ship, "fleet_ship_20240501_20240601"),
        ("create", Ship, "fleet_ship_20240601_20240701"),
        ("create", Ship, "fleet_ship_20240701_20240801"),
    ]
    heard.clear()
    maintain("fleet.ship", now=MAY)
    assert heard == []


def test_detaching_and_attaching(database: Database, heard: list[Any]) -> None:
    database.cover(Ship, "2024-01-01", "2024-02-01")
    log = database.log(Ship, "2024-01-01")
    heard.clear()
    log.detach()
    log.detach()
    log.attach()
    log.attach()
    name = "fleet_ship_20240101_20240201"
    assert heard == [("detach", Ship, name), ("attach", Ship, name)]


def test_another_name_than_planned(database: Database, heard: list[Any]) -> None:
    database.cover(Ship, "2024-01-01", "2024-02-01")
    database.log(Ship, "2024-01-01").detach()
    heard.clear()
    database.cover(Ship, "2024-01-01", "2024-02-01")
    assert heard == [("create", Ship, "fleet_ship_20240101_20240201_2")]


def test_inside_a_transaction_it_is_sent_after_the_commit(
    database: Database, heard: list[Any]
) -> None:
    with transaction.atomic():
        Ship.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
        assert heard == []
    assert len(heard) == 1


def test_nothing_is_sent_after_a_rollback(database: Database, heard: list[Any]) -> None:
    with transaction.atomic():
        Ship.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
        transaction.set_rollback(True)
    assert heard == []


def test_nothing_is_sent_for_what_failed(database: Database, heard: list[Any]) -> None:
    for name in NAMES_OF_MAY:
        database.execute(f"CREATE TABLE {name} (theirs int)")
    assert maintain("fleet.ship", now=MAY).outcome == "failed"
    assert len(heard) == 2


@pytest.mark.parametrize("is_lost", [True, False], ids=["connection lost", "time is up"])
def test_what_was_done_before_a_run_is_cut_short_is_heard_of(
    database: Database, heard: list[Any], is_lost: bool
) -> None:
    left = ["first", "second"]

    def cut_short(execute: Any, statement: str, *rest: Any) -> Any:
        if str(statement).startswith("CREATE TABLE") and not (left and left.pop()):
            if not is_lost:
                raise TimeIsUp
            terminate(connection)
        return execute(statement, *rest)

    origin = Origin(interruptions=(TimeIsUp,))
    with connection.execute_wrapper(cut_short):
        if is_lost:
            with pytest.raises((OperationalError, InterfaceError)):
                maintain("fleet.ship", now=MAY, origin=origin)
        else:
            assert maintain("fleet.ship", now=MAY, origin=origin).outcome == "deferred"
    made = sorted(database.children(Ship))
    assert len(made) == 2
    assert sorted(name for _, _, name in heard) == made


def test_a_receiver_that_fails_stops_nothing(
    database: Database, heard: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("the receiver is broken")

    signals.post_create_partition.connect(fail)
    try:
        report = maintain("fleet.ship", now=MAY)
    finally:
        signals.post_create_partition.disconnect(fail)
    assert report.outcome == "done"
    assert len(database.ranges(Ship)) == len(heard) == 3
    assert "the receiver is broken" in caplog.text


def test_a_receiver_may_hear_one_model_alone(database: Database, heard: list[Any]) -> None:
    mine: list[str] = []

    def receive(partition_log: PartitionLog, **_: Any) -> None:
        mine.append(partition_log.table_name)

    signals.post_create_partition.connect(receive, sender=Ship)
    try:
        maintain("fleet.crossing", now=MAY)
        assert mine == []
        maintain("fleet.ship", now=MAY)
    finally:
        signals.post_create_partition.disconnect(receive, sender=Ship)
    assert len(mine) == 3
