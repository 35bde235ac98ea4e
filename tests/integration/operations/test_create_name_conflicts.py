"""Creating where a table of the wanted name is there, and what is refused."""

from __future__ import annotations

import pytest

from pg_timepart.errors import InvalidPolicy, OperationFailed
from pg_timepart.maintenance.actions.create import MAX_NAMES
from pg_timepart.maintenance.maintain import maintain
from pg_timepart.maintenance.preview import preview_pass
from pg_timepart.maintenance.target import target_of
from tests.apps.fleet.models import Ship
from tests.support.database import Database, at, failure, outcomes

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
    database: Database, statement: str
) -> None:
    database.execute(statement.format(NAME))
    kind = "MATERIALIZED VIEW" if "MATERIALIZED" in statement else statement.split()[1]
    try:
        planned = preview_pass(target_of(Ship), now=at(MAY)).actions[0]
        report = maintain("fleet.ship", now=at(MAY))
        assert outcomes(report) == [("create", "done")] * 3
        assert sorted(database.children(Ship))[0] == f"{NAME}_2"
        assert report.actions[0].partition == f"{NAME}_2"
        note = "is the name of something that pg_timepart did not make"
        assert f"{NAME} {note}" in report.actions[0].detail
        assert f"{NAME} {note}" in database.runs(Ship)[0].actions[0]["detail"]
        assert (note in planned.note, f"{NAME}_2" in str(planned.steps)) == (True, True)
        assert maintain("fleet.ship", now=at(MAY)).outcome == "unchanged"
    finally:
        database.execute(f"DROP {kind} {NAME}")


def test_the_type_of_an_array_gives_way_as_postgresql_lets_it(database: Database) -> None:
    raft = database.build(db_table="_raft")
    database.execute(
        "CREATE TABLE raft_20240501_20240601 (its_array_is_called_with_an_underscore int)"
    )
    database.cover(raft, "2024-05-01", "2024-06-01")
    assert list(database.children(raft)) == ["_raft_20240501_20240601"]


def test_where_all_of_its_names_are_taken_it_fails_alone_and_says_so(database: Database) -> None:
    for number in range(1, MAX_NAMES + 1):
        database.execute(f"CREATE TABLE {NAME if number == 1 else f'{NAME}_{number}'} (theirs int)")
    report = maintain("fleet.ship", now=at(MAY))
    assert outcomes(report) == [("create", "failed"), ("create", "done"), ("create", "done")]
    assert f"{MAX_NAMES} names like {NAME} are taken" in failure(report)
    assert len(database.ranges(Ship)) == 2


def unfinished_leaf(database: Database, label: str = "fleet.ship") -> None:
    database.execute("CREATE TABLE fleet_ship_20240501_20240601 (LIKE fleet_ship INCLUDING ALL)")
    database.execute(
        "ALTER TABLE fleet_ship_20240501_20240601 ALTER COLUMN id DROP IDENTITY IF EXISTS"
    )
    database.execute(
        "COMMENT ON TABLE fleet_ship_20240501_20240601 IS"
        f' \'pg_timepart {{"model": "{label}", "from": "2024-05-01T00:00:00+00:00",'
        ' "to": "2024-06-01T00:00:00+00:00"}\''
    )


def test_an_unfinished_leaf_of_ours_is_finished(database: Database) -> None:
    unfinished_leaf(database)
    oid = database.one("SELECT 'fleet_ship_20240501_20240601'::regclass::oid")
    report = maintain("fleet.ship", now=at(MAY))
    assert outcomes(report) == [("create", "done")] * 3
    assert "made by an interrupted run" in report.actions[0].detail
    assert database.log(Ship, "2024-05-01").relid == oid


def test_an_unfinished_leaf_that_holds_rows_keeps_them_to_itself(database: Database) -> None:
    unfinished_leaf(database)
    database.execute(
        "INSERT INTO fleet_ship_20240501_20240601 (id, sailed_at, name)"
        " VALUES (1, '2024-05-02', 'Argo')"
    )
    report = maintain("fleet.ship", now=at(MAY))
    assert report.actions[0].partition == "fleet_ship_20240501_20240601_2"
    assert Ship.objects.count() == 0
    assert database.one("SELECT name FROM fleet_ship_20240501_20240601") == "Argo"


def test_an_unfinished_leaf_of_another_model_is_somebody_elses(database: Database) -> None:
    unfinished_leaf(database, label="fleet.cargo")
    report = maintain("fleet.ship", now=at(MAY))
    assert report.actions[0].partition == f"{NAME}_2"
    assert NAME not in database.children(Ship)


def test_a_detached_partition_keeps_its_name_and_the_new_one_gets_another(
    database: Database,
) -> None:
    maintain("fleet.ship", now=at(MAY))
    Ship.objects.create(sailed_at=at(MAY), name="Argo")
    Ship.partitioning.detach_partition(database.log(Ship, "2024-05-01"))
    report = maintain("fleet.ship", now=at(MAY))
    assert [each.partition for each in report.actions] == ["fleet_ship_20240501_20240601_2"]
    assert report.actions[0].detail == "fleet_ship_20240501_20240601 was taken"
    assert database.one("SELECT name FROM fleet_ship_20240501_20240601") == "Argo"
    assert Ship.objects.count() == 0
    assert sorted(
        row.table_name for row in database.logs(Ship) if row.start == at("2024-05-01")
    ) == [
        "fleet_ship_20240501_20240601",
        "fleet_ship_20240501_20240601_2",
    ]
    assert maintain("fleet.ship", now=at(MAY)).outcome == "unchanged"


def test_too_many_at_once_change_nothing(database: Database) -> None:
    database.configure(Ship, period="Minute")
    with pytest.raises(OperationFailed, match="More than 2000 partitions are missing"):
        Ship.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
    assert database.ranges(Ship) == []


@pytest.mark.parametrize("days", [-1, 1.5, 40_000])
def test_days_that_cannot_be_change_nothing(database: Database, days: int) -> None:
    with pytest.raises((OperationFailed, InvalidPolicy), match="must be 0 to 36525"):
        Ship.partitioning.create_partition(days)
    assert database.ranges(Ship) == []
