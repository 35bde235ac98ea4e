"""Creating where a table of the wanted name is there, and what is refused."""

from __future__ import annotations

import pytest

from pg_timepart.errors import InvalidPolicy, OperationFailed
from pg_timepart.maintenance.actions.create import MAX_NAMES
from pg_timepart.maintenance.maintain import maintain
from pg_timepart.maintenance.preview import preview_pass
from pg_timepart.maintenance.target import target_of
from tests.apps.fleet.models import Ship
from tests.support.database import Yard, at, failure, outcomes

pytest_plugins = ("tests.support.database_fixtures",)

MAY = "2024-05-15 10:30"


NAME = "fleet_ship_20240501_20240601"
OF_OTHERS = [
    "CREATE VIEW {} AS SELECT 1 AS one",
    "CREATE MATERIALIZED VIEW {} AS SELECT 1 AS one",
    "CREATE INDEX {} ON fleet_port (name)",
    "CREATE SEQUENCE {}",
    "CREATE TABLE {} (theirs int)",
    "CREATE TABLE {} (LIKE fleet_ship)",
    "CREATE TYPE {} AS (one int)",
    "CREATE TYPE {} AS ENUM ('one')",
    "CREATE DOMAIN {} AS int",
]


@pytest.mark.parametrize("statement", OF_OTHERS)
def test_what_others_named_so_keeps_the_name_and_the_partition_gets_the_next(
    yard: Yard, statement: str
) -> None:
    yard.execute(statement.format(NAME))
    kind = "MATERIALIZED VIEW" if "MATERIALIZED" in statement else statement.split()[1]
    try:
        planned = preview_pass(target_of(Ship), now=at(MAY)).actions[0]
        report = maintain("fleet.ship", now=at(MAY))
        assert outcomes(report) == [("create", "done")] * 3
        assert sorted(yard.children(Ship))[0] == f"{NAME}_2"
        assert report.actions[0].partition == f"{NAME}_2"
        note = "is the name of something that pg_timepart did not make"
        assert f"{NAME} {note}" in report.actions[0].detail
        assert f"{NAME} {note}" in yard.runs(Ship)[0].actions[0]["detail"]
        assert (note in planned.note, f"{NAME}_2" in str(planned.steps)) == (True, True)
        assert maintain("fleet.ship", now=at(MAY)).outcome == "unchanged"
    finally:
        yard.execute(f"DROP {kind} {NAME}")


def test_the_type_of_an_array_gives_way_as_postgresql_lets_it(yard: Yard) -> None:
    raft = yard.build(db_table="_raft")
    yard.execute("CREATE TABLE raft_20240501_20240601 (its_array_is_called_with_an_underscore int)")
    yard.cover(raft, "2024-05-01", "2024-06-01")
    assert list(yard.children(raft)) == ["_raft_20240501_20240601"]


def test_where_all_of_its_names_are_taken_it_fails_alone_and_says_so(yard: Yard) -> None:
    for number in range(1, MAX_NAMES + 1):
        yard.execute(f"CREATE TABLE {NAME if number == 1 else f'{NAME}_{number}'} (theirs int)")
    report = maintain("fleet.ship", now=at(MAY))
    assert outcomes(report) == [("create", "failed"), ("create", "done"), ("create", "done")]
    assert f"{MAX_NAMES} names like {NAME} are taken" in failure(report)
    assert len(yard.ranges(Ship)) == 2


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
    assert report.actions[0].partition == f"{NAME}_2"
    assert NAME not in yard.children(Ship)


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
