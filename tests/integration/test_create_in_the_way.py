"""Creating where a table of the wanted name is there, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pg_timepart.errors import InvalidPolicy, OperationFailed
from pg_timepart.maintenance.passes import maintain
from tests.fleet.models import Ship
from tests.fleet.yard import Yard, at, failure, outcomes

if TYPE_CHECKING:
    pass

pytest_plugins = ("tests.fleet.fixtures",)

MAY = "2024-05-15 10:30"


def test_a_foreign_table_in_the_way_fails_alone_and_says_what_to_do(yard: Yard) -> None:
    yard.execute("CREATE TABLE fleet_ship_20240601_20240701 (theirs int)")
    report = maintain("fleet.ship", now=at(MAY))
    assert outcomes(report) == [("create", "done"), ("create", "failed"), ("create", "done")]
    assert "named fleet_ship_20240601_20240701 is in the way" in failure(report)
    assert "rename it or drop it" in report.reason
    assert yard.ranges(Ship) == [("2024-05-01", "2024-06-01"), ("2024-07-01", "2024-08-01")]
    yard.execute("ALTER TABLE fleet_ship_20240601_20240701 RENAME TO theirs")
    assert maintain("fleet.ship", now=at(MAY)).outcome == "done"
    assert len(yard.ranges(Ship)) == 3


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW fleet_ship_20240501_20240601 AS SELECT 1 AS one",
        "CREATE INDEX fleet_ship_20240501_20240601 ON fleet_port (name)",
        "CREATE SEQUENCE fleet_ship_20240501_20240601",
        "CREATE TABLE fleet_ship_20240501_20240601 (LIKE fleet_ship)",
    ],
)
def test_anything_of_somebody_else_in_the_way_is_neither_adopted_nor_dropped(
    yard: Yard, statement: str
) -> None:
    yard.execute(statement)
    try:
        oid = yard.one("SELECT 'fleet_ship_20240501_20240601'::regclass::oid")
        report = maintain("fleet.ship", now=at(MAY))
        assert outcomes(report)[0] == ("create", "failed")
        assert "is in the way" in failure(report)
        assert yard.one("SELECT 'fleet_ship_20240501_20240601'::regclass::oid") == oid
        assert len(yard.ranges(Ship)) == 2
    finally:
        yard.execute("DROP INDEX IF EXISTS fleet_port_nothing")
        kind = statement.split()[1]
        yard.execute(f"DROP {kind} fleet_ship_20240501_20240601")


def unfinished_leaf(yard: Yard, label: str = "fleet.ship") -> None:
    yard.execute("CREATE TABLE fleet_ship_20240501_20240601 (LIKE fleet_ship INCLUDING ALL)")
    yard.execute("ALTER TABLE fleet_ship_20240501_20240601 ALTER COLUMN id DROP IDENTITY IF EXISTS")
    yard.execute(
        "COMMENT ON TABLE fleet_ship_20240501_20240601 IS"
        f' \'pg_timepart {{"model": "{label}", "from": "2024-05-01T00:00:00+00:00",'
        ' "to": "2024-06-01T00:00:00+00:00"}\''
    )


def test_an_unfinished_leaf_of_ours_is_finished(yard: Yard) -> None:
    unfinished_leaf(yard)
    oid = yard.one("SELECT 'fleet_ship_20240501_20240601'::regclass::oid")
    report = maintain("fleet.ship", now=at(MAY))
    assert outcomes(report) == [("create", "done")] * 3
    assert "made by an interrupted run" in report.actions[0].detail
    assert yard.log(Ship, "2024-05-01").relid == oid


def test_an_unfinished_leaf_that_holds_rows_keeps_them_to_itself(yard: Yard) -> None:
    unfinished_leaf(yard)
    yard.execute(
        "INSERT INTO fleet_ship_20240501_20240601 (id, sailed_at, name)"
        " VALUES (1, '2024-05-02', 'Argo')"
    )
    report = maintain("fleet.ship", now=at(MAY))
    assert report.actions[0].partition == "fleet_ship_20240501_20240601_2"
    assert Ship.objects.count() == 0
    assert yard.one("SELECT name FROM fleet_ship_20240501_20240601") == "Argo"


def test_an_unfinished_leaf_of_another_model_is_somebody_elses(yard: Yard) -> None:
    unfinished_leaf(yard, label="fleet.cargo")
    report = maintain("fleet.ship", now=at(MAY))
    assert "is in the way" in failure(report)


def test_a_detached_partition_keeps_its_name_and_the_new_one_gets_another(yard: Yard) -> None:
    maintain("fleet.ship", now=at(MAY))
    Ship.objects.create(sailed_at=at(MAY), name="Argo")
    Ship.partitioning.detach_partition(yard.log(Ship, "2024-05-01"))
    report = maintain("fleet.ship", now=at(MAY))
    assert [each.partition for each in report.actions] == ["fleet_ship_20240501_20240601_2"]
    assert report.actions[0].detail == "fleet_ship_20240501_20240601 was taken"
    assert yard.one("SELECT name FROM fleet_ship_20240501_20240601") == "Argo"
    assert Ship.objects.count() == 0
    assert sorted(row.table_name for row in yard.logs(Ship) if row.start == at("2024-05-01")) == [
        "fleet_ship_20240501_20240601",
        "fleet_ship_20240501_20240601_2",
    ]
    assert maintain("fleet.ship", now=at(MAY)).outcome == "unchanged"


def test_too_many_at_once_change_nothing(yard: Yard) -> None:
    yard.configure(Ship, period="Minute")
    with pytest.raises(OperationFailed, match="More than 2000 partitions are missing"):
        Ship.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
    assert yard.ranges(Ship) == []


@pytest.mark.parametrize("days", [-1, 1.5, 40_000])
def test_days_that_cannot_be_change_nothing(yard: Yard, days: int) -> None:
    with pytest.raises((OperationFailed, InvalidPolicy), match="must be 0 to 36525"):
        Ship.partitioning.create_partition(days)
    assert yard.ranges(Ship) == []
