"""A default partition that the user made is honoured and reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pg_timepart.errors import OperationFailed
from pg_timepart.maintenance.maintain import maintain, plan
from pg_timepart.partitions.coverage import runs_out_at
from tests.apps.fleet.models import Ship
from tests.support.database import Database, at, failure, outcomes
from tests.support.processes import wait_until

MAY = at("2024-05-15 10:30")

CHECKS = """
SELECT conname FROM pg_constraint WHERE contype = 'c' AND coninhcount = 0
AND conrelid = 'fleet_rest'::regclass
"""


@pytest.fixture
def database_with_default(database: Database) -> Database:
    database.execute("CREATE TABLE fleet_rest PARTITION OF fleet_ship DEFAULT")
    return database


def make_big(database: Database) -> None:
    """Fill the default partition beyond what is scanned within the lock budget."""
    fill(database)
    database.execute("ANALYZE fleet_rest")


def fill(database: Database) -> None:
    database.execute("ALTER TABLE fleet_rest SET (autovacuum_enabled = off)")
    database.execute(
        "INSERT INTO fleet_rest (id, sailed_at, name) SELECT n, '1999-01-01', repeat('x', 50)"
        " FROM generate_series(1, 40000) n"
    )


def test_room_is_made_beside_it_and_it_is_noted(database_with_default: Database) -> None:
    report = maintain("fleet.ship", now=MAY)
    assert outcomes(report) == [("create", "done")] * 3
    assert "fleet_rest is a default partition" in report.notes[0].sentence
    assert maintain("fleet.ship", now=MAY).outcome == "unchanged"
    assert "fleet_rest is a default partition" in plan("fleet.ship", now=MAY).notes[0].sentence


def test_its_rows_of_other_times_stay(database_with_default: Database) -> None:
    Ship.objects.create(sailed_at=at("1999-01-01"))
    maintain("fleet.ship", now=MAY)
    assert database_with_default.one("SELECT count(*) FROM fleet_rest") == 1


def test_its_rows_of_the_range_fail_the_create_with_a_reason_and_nothing_is_lost(
    database_with_default: Database,
) -> None:
    Ship.objects.create(sailed_at=at("2024-06-05"))
    for _ in range(2):
        report = maintain("fleet.ship", now=MAY)
        assert "default partition" in failure(report)
        assert "fleet_ship_20240601_20240701" in report.reason
        assert database_with_default.ranges(Ship) == [
            ("2024-05-01", "2024-06-01"),
            ("2024-07-01", "2024-08-01"),
        ]
        assert Ship.objects.count() == 1
        assert not database_with_default.exists("fleet_ship_20240601_20240701")
    database_with_default.execute("DELETE FROM fleet_rest")
    maintain("fleet.ship", now=MAY)
    assert len(database_with_default.ranges(Ship)) == 3


def test_a_big_one_gets_a_check_first_and_is_left_without_it(
    database_with_default: Database,
) -> None:
    make_big(database_with_default)
    report = maintain("fleet.ship", now=MAY)
    assert outcomes(report) == [("create", "done")] * 3
    for action in report.actions:
        assert any("VALIDATE CONSTRAINT" in each for each in action.statements)
    assert database_with_default.query(CHECKS) == []


def test_a_big_one_that_was_never_analyzed_gets_a_check_first_too(
    database_with_default: Database,
) -> None:
    fill(database_with_default)
    # A session tells of its rows once it is done with a statement, and not all the time.
    wait_until(
        lambda: database_with_default.one("SELECT pg_stat_get_live_tuples('fleet_rest'::regclass)")
    )
    report = maintain("fleet.ship", now=MAY)
    assert outcomes(report) == [("create", "done")] * 3
    assert all("VALIDATE CONSTRAINT" in "; ".join(each.statements) for each in report.actions)


def test_a_big_one_with_rows_of_the_range_fails_and_is_left_without_the_check(
    database_with_default: Database,
) -> None:
    make_big(database_with_default)
    Ship.objects.create(sailed_at=at("2024-05-05"))
    report = maintain("fleet.ship", now=MAY)
    assert [outcome for _, outcome in outcomes(report)] == ["failed", "done", "done"]
    assert "fleet_rest holds rows of this range: move them out" in failure(report)
    assert database_with_default.query(CHECKS) == []
    Ship.objects.create(sailed_at=at("2024-05-06"))
    assert Ship.objects.filter(sailed_at__year=2024).count() == 2


def test_a_check_that_a_killed_run_left_is_dropped(database_with_default: Database) -> None:
    database_with_default.execute(
        "ALTER TABLE fleet_rest ADD CONSTRAINT pg_timepart_excludes"
        " CHECK (sailed_at < '2024-09-01' OR sailed_at >= '2024-10-01') NOT VALID"
    )
    maintain("fleet.ship", now=MAY)
    assert database_with_default.query(CHECKS) == []


def test_a_detach_beside_it_is_a_plain_one(database_with_default: Database) -> None:
    database_with_default.configure(Ship, interval=1)
    database_with_default.cover(Ship, "2024-01-01", "2024-02-01")
    Ship.objects.create(sailed_at=at("2024-01-05"))
    report = maintain("fleet.ship", now=MAY)
    (detached,) = [each for each in report.actions if each.kind == "detach"]
    assert detached.outcome == "done"
    assert detached.statements == (
        (
            'ALTER TABLE "public"."fleet_ship"'
            ' DETACH PARTITION "public"."fleet_ship_20240101_20240201"'
        ),
    )
    assert database_with_default.one("SELECT count(*) FROM fleet_ship_20240101_20240201") == 1


def test_what_was_detached_beside_it_is_attached_back(database_with_default: Database) -> None:
    database_with_default.cover(Ship, "2024-01-01", "2024-02-01")
    Ship.objects.create(sailed_at=at("2024-01-05"))
    log = database_with_default.log(Ship, "2024-01-01")
    log.detach()
    log.attach()
    assert database_with_default.ranges(Ship) == [("2024-01-01", "2024-02-01")]
    assert Ship.objects.count() == 1


def test_beside_a_big_one_an_attach_adds_a_check_first_too(database_with_default: Database) -> None:
    database_with_default.cover(Ship, "2024-01-01", "2024-02-01")
    database_with_default.log(Ship, "2024-01-01").detach()
    make_big(database_with_default)
    report = database_with_default.log(Ship, "2024-01-01").attach()
    (action,) = report.actions
    assert any('"fleet_rest" VALIDATE CONSTRAINT' in each for each in action.statements)
    assert database_with_default.ranges(Ship) == [("2024-01-01", "2024-02-01")]
    assert database_with_default.query(CHECKS) == []


@pytest.mark.parametrize("make", [make_big, lambda _yard: None])
def test_an_attach_where_it_holds_rows_of_the_range_fails_with_a_reason(
    database_with_default: Database, make: Callable[[Database], None]
) -> None:
    database_with_default.cover(Ship, "2024-01-01", "2024-02-01")
    database_with_default.log(Ship, "2024-01-01").detach()
    make(database_with_default)
    Ship.objects.create(sailed_at=at("2024-01-05"))
    with pytest.raises(OperationFailed, match="fleet_rest holds rows of this range: move them out"):
        database_with_default.log(Ship, "2024-01-01").attach()
    assert database_with_default.query(CHECKS) == []
    assert database_with_default.ranges(Ship) == []
    assert Ship.objects.filter(sailed_at__year=2024).count() == 1


def test_it_is_never_retired_nor_dropped(database_with_default: Database) -> None:
    database_with_default.configure(Ship, interval=1)
    maintain("fleet.ship", now=at("2034-01-01"))
    assert database_with_default.children(Ship)["fleet_rest"] == "DEFAULT"


def test_with_it_no_insert_fails(database_with_default: Database) -> None:
    from pg_timepart.maintenance.target import target_of

    target = target_of(Ship)
    assert runs_out_at(target.read([]), MAY) is None


def test_beside_one_of_a_date_key(database: Database) -> None:
    database.execute("CREATE TABLE fleet_other PARTITION OF fleet_crossing DEFAULT")
    report: Any = maintain("fleet.crossing", now=MAY)
    assert outcomes(report) == [("create", "done")] * 3
