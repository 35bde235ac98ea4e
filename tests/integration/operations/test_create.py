"""Creating partitions, by hand and by a pass."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import IntegrityError, transaction

from pg_timepart.errors import Conflict
from pg_timepart.maintenance.maintain import maintain, plan
from pg_timepart.postgres.catalog import read_parent
from pg_timepart.postgres.table_details import read_template
from tests.apps.fleet.models import Cargo, Crossing, Port, Ship
from tests.support.database import Database, at, outcomes, rolled_back

if TYPE_CHECKING:
    pass

MAY = "2024-05-15 10:30"


def test_after_a_change_of_period_the_next_ends_at_the_next_boundary(database: Database) -> None:
    database.cover(Ship, "2018-08-01", "2018-09-01")
    database.configure(Ship, period="Week")
    Ship.partitioning.create_partition(0)
    Ship.partitioning.create_partition(0)
    assert database.ranges(Ship) == [
        ("2018-08-01", "2018-09-01"),
        ("2018-09-01", "2018-09-03"),
        ("2018-09-03", "2018-09-10"),
    ]


def test_a_pass_makes_room_and_the_next_one_has_nothing_to_do(database: Database) -> None:
    report = maintain("fleet.ship", now=at(MAY))
    assert report.outcome == "done"
    assert outcomes(report) == [("create", "done")] * 3
    assert database.ranges(Ship) == [
        ("2024-05-01", "2024-06-01"),
        ("2024-06-01", "2024-07-01"),
        ("2024-07-01", "2024-08-01"),
    ]
    again = maintain("fleet.ship", now=at(MAY))
    assert (again.outcome, again.actions) == ("unchanged", ())


def test_what_a_pass_does_is_what_the_plan_said(database: Database) -> None:
    planned = plan("fleet.ship", now=at(MAY))
    assert database.ranges(Ship) == []
    assert Ship.partitioning.latest is None
    report = maintain("fleet.ship", now=at(MAY))
    assert [each.partition for each in report.actions] == [
        each.partition for each in planned.actions
    ]
    assert plan("fleet.ship", now=at(MAY)).is_empty


def test_each_partition_has_a_row_that_says_what_the_catalog_says(database: Database) -> None:
    database.cover(Ship, "2024-05-01", "2024-07-01")
    rows = [(row.table_name, row.start, row.end, row.is_attached) for row in database.logs(Ship)]
    assert rows == [
        ("fleet_ship_20240501_20240601", at("2024-05-01"), at("2024-06-01"), True),
        ("fleet_ship_20240601_20240701", at("2024-06-01"), at("2024-07-01"), True),
    ]
    for row in database.logs(Ship):
        assert row.relid == database.one("SELECT %s::regclass::oid::bigint", row.table_name)
        assert (row.schema_name, row.unfinished, row.detached_at) == ("public", "", None)


def test_rows_go_where_their_time_belongs(database: Database) -> None:
    database.cover(Ship, "2024-05-01", "2024-07-01")
    for moment in ("2024-05-31 23:59:59.999999", "2024-06-01"):
        Ship.objects.create(sailed_at=at(moment))
    assert database.query("SELECT tableoid::regclass::text FROM fleet_ship ORDER BY sailed_at") == [
        "fleet_ship_20240501_20240601",
        "fleet_ship_20240601_20240701",
    ]
    with pytest.raises(IntegrityError, match="no partition of relation"):
        Ship.objects.create(sailed_at=at("2024-07-01"))


def test_the_default_call_makes_room_for_tomorrow_at_least(database: Database) -> None:
    database.configure(Ship, period="Day")
    report = Ship.partitioning.create_partition()
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    assert len(report.actions) == 2
    assert [(row.start, row.end) for row in database.logs(Ship)] == [
        (today, today + timedelta(days=1)),
        (today + timedelta(days=1), today + timedelta(days=2)),
    ]
    assert Ship.partitioning.create_partition().outcome == "unchanged"
    assert Ship.partitioning.latest == database.logs(Ship)[-1]


def test_until_the_newest_ends_more_than_so_many_days_from_now(database: Database) -> None:
    database.configure(Ship, period="Day")
    Ship.partitioning.create_partition(max_days_to_next_partition=5)
    ends = [row.end for row in database.logs(Ship) if row.end]
    now = database.one("SELECT now()")
    assert ends[-2] <= now + timedelta(days=5) < ends[-1]


def test_latest_is_the_one_with_the_highest_end(database: Database) -> None:
    database.cover(Ship, "2024-05-01", "2024-06-01")
    database.cover(Ship, "2023-05-01", "2023-06-01")
    assert Ship.partitioning.latest == database.log(Ship, "2024-05-01")
    database.execute(
        "CREATE TABLE endless PARTITION OF fleet_ship"
        " FOR VALUES FROM ('2030-01-01 00:00+00') TO (MAXVALUE)"
    )
    Ship.partitioning.create_range(at("2022-01-01"), at("2022-01-02"))
    assert Ship.partitioning.latest is not None
    assert Ship.partitioning.latest.table_name == "endless"


def test_a_range_in_the_past_and_in_the_future(database: Database) -> None:
    database.cover(Ship, "2024-05-01", "2024-06-01")
    report = Ship.partitioning.create_range(at("2024-03-20"), at("2024-07-02"))
    assert [each.partition for each in report.actions] == [
        "fleet_ship_20240301_20240401",
        "fleet_ship_20240401_20240501",
        "fleet_ship_20240601_20240701",
        "fleet_ship_20240701_20240801",
    ]
    assert Ship.partitioning.create_range(at("2024-03-20"), at("2024-07-02")).actions == ()


def test_a_gap_that_reconcile_names_can_be_filled(database: Database) -> None:
    database.cover(Ship, "2024-01-01", "2024-02-01")
    database.cover(Ship, "2024-03-01", "2024-04-01")
    Ship.partitioning.create_range(at("2024-02-01"), at("2024-03-01"))
    assert database.ranges(Ship)[1] == ("2024-02-01", "2024-03-01")


def test_a_pass_fills_a_trailing_gap_and_leaves_an_interior_one(database: Database) -> None:
    database.cover(Ship, "2023-11-01", "2023-12-01")
    database.cover(Ship, "2024-02-01", "2024-03-01")
    maintain("fleet.ship", now=at(MAY))
    starts = [start for start, _ in database.ranges(Ship)]
    assert starts == [
        "2023-11-01",
        "2024-02-01",
        "2024-03-01",
        "2024-04-01",
        "2024-05-01",
        "2024-06-01",
        "2024-07-01",
    ]


def test_a_row_in_the_far_future_makes_nothing_run_away(database: Database) -> None:
    database.cover(Ship, "2024-05-01", "2024-06-01")
    database.cover(Ship, "2999-01-01", "2999-02-01")
    Ship.objects.create(sailed_at=at("2999-01-05"))
    report = maintain("fleet.ship", now=at(MAY))
    assert outcomes(report) == [("create", "done")] * 2
    assert len(database.ranges(Ship)) == 4


def test_a_date_key(database: Database) -> None:
    maintain("fleet.crossing", now=at(MAY))
    assert database.ranges(Crossing) == [
        ("2024-05-15", "2024-05-16"),
        ("2024-05-16", "2024-05-17"),
        ("2024-05-17", "2024-05-18"),
    ]
    Crossing.objects.create(day=date(2024, 5, 17))
    assert database.query("SELECT tableoid::regclass::text FROM fleet_crossing") == [
        "fleet_crossing_20240517_20240518"
    ]


def test_foreign_keys_and_keys_hold_in_a_new_partition(database: Database) -> None:
    maintain("fleet.cargo", now=at(MAY))
    port = Port.objects.create(name="Lisbon")
    Cargo.objects.create(loaded_at=at(MAY), port=port, code="a", tons=3)
    assert Cargo.objects.get().kilos == 3000
    with pytest.raises(IntegrityError, match="unique"):
        Cargo.objects.create(loaded_at=at(MAY), port=port, code="a")
    with pytest.raises(IntegrityError, match="foreign key"):
        with transaction.atomic():
            Cargo.objects.create(loaded_at=at(MAY), port_id=port.pk + 1, code="b")


def test_inside_a_transaction_it_is_part_of_it(database: Database) -> None:
    with rolled_back():
        Ship.partitioning.create_range(at("2024-05-01"), at("2024-06-01"))
        Ship.objects.create(sailed_at=at(MAY))
        assert len(database.ranges(Ship)) == 1
    assert database.ranges(Ship) == []
    assert database.logs(Ship) == []
    with transaction.atomic():
        Ship.partitioning.create_range(at("2024-05-01"), at("2024-06-01"))
    assert len(database.ranges(Ship)) == len(database.logs(Ship)) == 1


def test_a_transaction_keeps_its_own_timeouts(database: Database) -> None:
    names = ("lock_timeout", "statement_timeout", "default_tablespace")
    with transaction.atomic():
        database.execute("SET LOCAL lock_timeout = '7s'")
        database.execute("SET LOCAL statement_timeout = '70s'")
        before = [database.one(f"SHOW {name}") for name in names]
        Ship.partitioning.create_range(at("2024-05-01"), at("2024-06-01"))
        assert [database.one(f"SHOW {name}") for name in names] == before
    assert [database.one(f"SHOW {name}") for name in names] == ["0", "0", ""]


def test_a_table_that_was_dropped_since_it_was_read_is_said_to_be_gone(database: Database) -> None:
    parent = read_parent(database.connection, database.build()._meta.db_table, zone=UTC)
    assert parent is not None
    database.execute("DROP TABLE fleet_raft")
    with pytest.raises(Conflict, match="fleet_raft does not exist any more"):
        read_template(database.connection, parent)
