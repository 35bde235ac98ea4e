"""Creating partitions, by hand and by a pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import IntegrityError, transaction

from pg_timepart.errors import InvalidPolicy, OperationFailed
from pg_timepart.maintenance.passes import maintain, plan
from tests.fleet.models import Cargo, Crossing, Port, Ship
from tests.fleet.yard import Yard, at, failure, outcomes, rolled_back

if TYPE_CHECKING:
    from pytest_django import Settings

pytest_plugins = ("tests.fleet.fixtures",)

MAY = "2024-05-15 10:30"


def test_after_a_change_of_period_the_next_ends_at_the_next_boundary(yard: Yard) -> None:
    yard.cover(Ship, "2018-08-01", "2018-09-01")
    yard.configure(Ship, period="Week")
    Ship.partitioning.create_partition(0)
    Ship.partitioning.create_partition(0)
    assert yard.ranges(Ship) == [
        ("2018-08-01", "2018-09-01"),
        ("2018-09-01", "2018-09-03"),
        ("2018-09-03", "2018-09-10"),
    ]


def test_a_pass_makes_room_and_the_next_one_has_nothing_to_do(yard: Yard) -> None:
    report = maintain("fleet.ship", now=at(MAY))
    assert report.outcome == "done"
    assert outcomes(report) == [("create", "done")] * 3
    assert yard.ranges(Ship) == [
        ("2024-05-01", "2024-06-01"),
        ("2024-06-01", "2024-07-01"),
        ("2024-07-01", "2024-08-01"),
    ]
    again = maintain("fleet.ship", now=at(MAY))
    assert (again.outcome, again.actions) == ("unchanged", ())


def test_what_a_pass_does_is_what_the_plan_said(yard: Yard) -> None:
    planned = plan("fleet.ship", now=at(MAY))
    assert yard.ranges(Ship) == []
    assert Ship.partitioning.latest is None
    report = maintain("fleet.ship", now=at(MAY))
    assert [each.partition for each in report.actions] == [
        each.partition for each in planned.actions
    ]
    assert plan("fleet.ship", now=at(MAY)).is_empty


def test_each_partition_has_a_row_that_says_what_the_catalog_says(yard: Yard) -> None:
    yard.cover(Ship, "2024-05-01", "2024-07-01")
    rows = [(row.table_name, row.start, row.end, row.is_attached) for row in yard.logs(Ship)]
    assert rows == [
        ("fleet_ship_20240501_20240601", at("2024-05-01"), at("2024-06-01"), True),
        ("fleet_ship_20240601_20240701", at("2024-06-01"), at("2024-07-01"), True),
    ]
    for row in yard.logs(Ship):
        assert row.relid == yard.one("SELECT %s::regclass::oid::bigint", row.table_name)
        assert (row.schema_name, row.unfinished, row.detached_at) == ("public", "", None)


def test_rows_go_where_their_time_belongs(yard: Yard) -> None:
    yard.cover(Ship, "2024-05-01", "2024-07-01")
    for moment in ("2024-05-31 23:59:59.999999", "2024-06-01"):
        Ship.objects.create(sailed_at=at(moment))
    assert yard.query("SELECT tableoid::regclass::text FROM fleet_ship ORDER BY sailed_at") == [
        "fleet_ship_20240501_20240601",
        "fleet_ship_20240601_20240701",
    ]
    with pytest.raises(IntegrityError, match="no partition of relation"):
        Ship.objects.create(sailed_at=at("2024-07-01"))


def test_the_default_call_makes_room_for_tomorrow_at_least(yard: Yard) -> None:
    yard.configure(Ship, period="Day")
    report = Ship.partitioning.create_partition()
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    assert len(report.actions) == 2
    assert [(row.start, row.end) for row in yard.logs(Ship)] == [
        (today, today + timedelta(days=1)),
        (today + timedelta(days=1), today + timedelta(days=2)),
    ]
    assert Ship.partitioning.create_partition().outcome == "unchanged"
    assert Ship.partitioning.latest == yard.logs(Ship)[-1]


def test_until_the_newest_ends_more_than_so_many_days_from_now(yard: Yard) -> None:
    yard.configure(Ship, period="Day")
    Ship.partitioning.create_partition(max_days_to_next_partition=5)
    ends = [row.end for row in yard.logs(Ship) if row.end]
    now = yard.one("SELECT now()")
    assert ends[-2] <= now + timedelta(days=5) < ends[-1]


def test_latest_is_the_one_with_the_highest_end(yard: Yard) -> None:
    yard.cover(Ship, "2024-05-01", "2024-06-01")
    yard.cover(Ship, "2023-05-01", "2023-06-01")
    assert Ship.partitioning.latest == yard.log(Ship, "2024-05-01")
    yard.execute(
        "CREATE TABLE endless PARTITION OF fleet_ship"
        " FOR VALUES FROM ('2030-01-01 00:00+00') TO (MAXVALUE)"
    )
    Ship.partitioning.create_range(at("2022-01-01"), at("2022-01-02"))
    assert Ship.partitioning.latest is not None
    assert Ship.partitioning.latest.table_name == "endless"


def test_a_range_in_the_past_and_in_the_future(yard: Yard) -> None:
    yard.cover(Ship, "2024-05-01", "2024-06-01")
    report = Ship.partitioning.create_range(at("2024-03-20"), at("2024-07-02"))
    assert [each.partition for each in report.actions] == [
        "fleet_ship_20240301_20240401",
        "fleet_ship_20240401_20240501",
        "fleet_ship_20240601_20240701",
        "fleet_ship_20240701_20240801",
    ]
    assert Ship.partitioning.create_range(at("2024-03-20"), at("2024-07-02")).actions == ()


def test_a_gap_that_reconcile_names_can_be_filled(yard: Yard) -> None:
    yard.cover(Ship, "2024-01-01", "2024-02-01")
    yard.cover(Ship, "2024-03-01", "2024-04-01")
    Ship.partitioning.create_range(at("2024-02-01"), at("2024-03-01"))
    assert yard.ranges(Ship)[1] == ("2024-02-01", "2024-03-01")


def test_a_pass_fills_a_trailing_gap_and_leaves_an_interior_one(yard: Yard) -> None:
    yard.cover(Ship, "2023-11-01", "2023-12-01")
    yard.cover(Ship, "2024-02-01", "2024-03-01")
    maintain("fleet.ship", now=at(MAY))
    starts = [start for start, _ in yard.ranges(Ship)]
    assert starts == [
        "2023-11-01",
        "2024-02-01",
        "2024-03-01",
        "2024-04-01",
        "2024-05-01",
        "2024-06-01",
        "2024-07-01",
    ]


def test_a_row_in_the_far_future_makes_nothing_run_away(yard: Yard) -> None:
    yard.cover(Ship, "2024-05-01", "2024-06-01")
    yard.cover(Ship, "2999-01-01", "2999-02-01")
    Ship.objects.create(sailed_at=at("2999-01-05"))
    report = maintain("fleet.ship", now=at(MAY))
    assert outcomes(report) == [("create", "done")] * 2
    assert len(yard.ranges(Ship)) == 4


def test_a_date_key(yard: Yard) -> None:
    maintain("fleet.crossing", now=at(MAY))
    assert yard.ranges(Crossing) == [
        ("2024-05-15", "2024-05-16"),
        ("2024-05-16", "2024-05-17"),
        ("2024-05-17", "2024-05-18"),
    ]
    Crossing.objects.create(day=date(2024, 5, 17))
    assert yard.query("SELECT tableoid::regclass::text FROM fleet_crossing") == [
        "fleet_crossing_20240517_20240518"
    ]


def test_foreign_keys_and_keys_hold_in_a_new_partition(yard: Yard) -> None:
    maintain("fleet.cargo", now=at(MAY))
    port = Port.objects.create(name="Lisbon")
    Cargo.objects.create(loaded_at=at(MAY), port=port, code="a", tons=3)
    assert Cargo.objects.get().kilos == 3000
    with pytest.raises(IntegrityError, match="unique"):
        Cargo.objects.create(loaded_at=at(MAY), port=port, code="a")
    with pytest.raises(IntegrityError, match="foreign key"):
        with transaction.atomic():
            Cargo.objects.create(loaded_at=at(MAY), port_id=port.pk + 1, code="b")


def test_inside_a_transaction_it_is_part_of_it(yard: Yard) -> None:
    with rolled_back():
        Ship.partitioning.create_range(at("2024-05-01"), at("2024-06-01"))
        Ship.objects.create(sailed_at=at(MAY))
        assert len(yard.ranges(Ship)) == 1
    assert yard.ranges(Ship) == []
    assert yard.logs(Ship) == []
    with transaction.atomic():
        Ship.partitioning.create_range(at("2024-05-01"), at("2024-06-01"))
    assert len(yard.ranges(Ship)) == len(yard.logs(Ship)) == 1


def test_a_transaction_keeps_its_own_timeouts(yard: Yard) -> None:
    names = ("lock_timeout", "statement_timeout", "default_tablespace")
    with transaction.atomic():
        yard.execute("SET LOCAL lock_timeout = '7s'")
        yard.execute("SET LOCAL statement_timeout = '70s'")
        before = [yard.one(f"SHOW {name}") for name in names]
        Ship.partitioning.create_range(at("2024-05-01"), at("2024-06-01"))
        assert [yard.one(f"SHOW {name}") for name in names] == before
    assert [yard.one(f"SHOW {name}") for name in names] == ["0", "0", ""]


# A table in the way


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


# Zones


def test_days_of_the_zone_over_the_night_without_midnight(yard: Yard, settings: Settings) -> None:
    settings.PARTITION_TIMEZONE = "America/Sao_Paulo"
    yard.configure(Ship, period="Day")
    maintain("fleet.ship", now=at("2018-11-03 12:00"))
    assert yard.ranges(Ship) == [
        ("2018-11-03 03:00:00", "2018-11-04 03:00:00"),
        ("2018-11-04 03:00:00", "2018-11-05 02:00:00"),
        ("2018-11-05 02:00:00", "2018-11-06 02:00:00"),
    ]
    assert [row.table_name for row in yard.logs(Ship)][1] == "fleet_ship_20181104_20181105"
    assert maintain("fleet.ship", now=at("2018-11-03 12:00")).outcome == "unchanged"


def test_dates_of_the_zone(yard: Yard, settings: Settings) -> None:
    settings.PARTITION_TIMEZONE = "America/Sao_Paulo"
    # Three hours before the third in UTC begins there.
    maintain("fleet.crossing", now=at("2018-11-03 01:00"))
    assert yard.ranges(Crossing) == [
        ("2018-11-02", "2018-11-03"),
        ("2018-11-03", "2018-11-04"),
        ("2018-11-04", "2018-11-05"),
    ]
    assert yard.logs(Crossing)[-1].start == at("2018-11-04 03:00")
    assert maintain("fleet.crossing", now=at("2018-11-03 01:00")).outcome == "unchanged"


@contextmanager
def session_in(yard: Yard, zone: str) -> Iterator[None]:
    """Have Django keep the session in another zone, as DATABASES may say for each alias."""
    connection = yard.connection
    for name in (zone, None):
        connection.close()
        connection.settings_dict["TIME_ZONE"] = name
        for cached in ("timezone", "timezone_name"):
            connection.__dict__.pop(cached, None)
        if name is not None:
            yield


@pytest.mark.parametrize("zone", ["Pacific/Apia", "America/St_Johns", "Asia/Kathmandu"])
def test_the_sessions_zone_changes_nothing(yard: Yard, zone: str) -> None:
    maintain("fleet.ship", now=at(MAY))
    before = yard.ranges(Ship)
    with session_in(yard, zone):
        assert yard.one("SHOW TIME ZONE") == zone
        assert maintain("fleet.ship", now=at(MAY)).outcome == "unchanged"
        maintain("fleet.ship", now=at("2024-06-15"))
        rows = [(row.start, row.end) for row in yard.logs(Ship)]
    assert yard.ranges(Ship) == [*before, ("2024-08-01", "2024-09-01")]
    assert rows[-1] == (at("2024-08-01"), at("2024-09-01"))


def test_the_roles_zone_changes_nothing(yard: Yard) -> None:
    yard.execute("ALTER ROLE CURRENT_USER SET timezone TO 'Pacific/Apia'")
    try:
        yard.connection.close()
        maintain("fleet.ship", now=at(MAY))
        maintain("fleet.crossing", now=at(MAY))
    finally:
        yard.execute("ALTER ROLE CURRENT_USER RESET timezone")
        yard.connection.close()
    assert yard.ranges(Ship)[0] == ("2024-05-01", "2024-06-01")
    assert yard.ranges(Crossing)[0] == ("2024-05-15", "2024-05-16")
    assert maintain("fleet.ship", now=at(MAY)).outcome == "unchanged"


def test_six_hours_are_cut_on_utc(yard: Yard, settings: Settings) -> None:
    settings.PARTITION_TIMEZONE = "Asia/Kathmandu"
    yard.configure(Ship, period="Hour", periods_per_partition=6, premake=1)
    maintain("fleet.ship", now=at(MAY))
    assert yard.ranges(Ship) == [
        ("2024-05-15 06:00:00", "2024-05-15 12:00:00"),
        ("2024-05-15 12:00:00", "2024-05-15 18:00:00"),
    ]
