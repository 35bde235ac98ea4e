"""Taking partitions off."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError, transaction

from pg_timepart.errors import OperationFailed, UnknownName
from pg_timepart.maintenance.maintain import maintain
from tests.apps.fleet.models import Cargo, Crossing, Port, Ship
from tests.support.database import Database, Tablespaces, at, failure, outcomes, rolled_back

MAY = "2024-05-15 10:30"
A_MINUTE = timedelta(minutes=1)
MONTHS = [f"2024-{month:02}-01" for month in range(1, 9)]


def fleet_of_2024(database: Database, interval: int | None = 2, **facts: object) -> None:
    """Make January to July, with a ship in each."""
    database.configure(Ship, interval=interval, **facts)
    database.cover(Ship, MONTHS[0], MONTHS[-1])
    for start in MONTHS[:-1]:
        Ship.objects.create(sailed_at=at(start))


def test_a_pass_retires_by_the_end_of_the_partition(database: Database) -> None:
    fleet_of_2024(database)
    report = maintain("fleet.ship", now=at(MAY))
    assert outcomes(report) == [("detach", "done")] * 2
    assert database.ranges(Ship)[0] == ("2024-03-01", "2024-04-01")
    assert maintain("fleet.ship", now=at(MAY)).outcome == "unchanged"


def test_rows_leave_the_table_and_stay_in_their_own(database: Database) -> None:
    fleet_of_2024(database)
    maintain("fleet.ship", now=at(MAY))
    assert Ship.objects.count() == 5
    assert database.one("SELECT count(*) FROM fleet_ship_20240101_20240201") == 1


def test_what_is_detached_is_recorded_with_its_bounds_and_when(database: Database) -> None:
    fleet_of_2024(database)
    maintain("fleet.ship", now=at(MAY))
    log = database.log(Ship, "2024-01-01")
    assert (log.is_attached, log.end, log.unfinished) == (False, at("2024-02-01"), "")
    assert log.detached_at is not None
    assert at(MAY) < log.detached_at < at(MAY) + A_MINUTE
    assert database.exists(log.table_name)


def test_a_pass_detaches_concurrently(database: Database) -> None:
    fleet_of_2024(database)
    report = maintain("fleet.ship", now=at(MAY))
    assert report.actions[0].statements == (
        (
            'ALTER TABLE "public"."fleet_ship"'
            ' DETACH PARTITION "public"."fleet_ship_20240101_20240201" CONCURRENTLY'
        ),
    )


def test_retention_passes_over_gaps(database: Database) -> None:
    database.configure(Ship, interval=1)
    database.cover(Ship, "2019-01-01", "2019-02-01")
    database.cover(Ship, "2021-01-01", "2021-02-01")
    database.cover(Ship, "2024-05-01", "2024-06-01")
    maintain("fleet.ship", now=at(MAY))
    assert database.ranges(Ship)[0] == ("2024-05-01", "2024-06-01")


def test_after_a_change_from_month_to_day_nothing_younger_than_the_interval_goes(
    database: Database,
) -> None:
    database.cover(Ship, "2024-03-01", "2024-06-01")
    database.configure(Ship, period="Day", interval=30, premake=1)
    maintain("fleet.ship", now=at(MAY))
    # 22 days and more before 15 May are in April, and so are days within the last 30.
    assert database.ranges(Ship)[0] == ("2024-04-01", "2024-05-01")


def test_a_pin_holds_and_ends(database: Database) -> None:
    fleet_of_2024(database)
    log = database.log(Ship, "2024-01-01")
    log.detach_time = at(MAY) + timedelta(hours=1)
    log.save()
    report = maintain("fleet.ship", now=at(MAY))
    assert [each.partition for each in report.actions] == ["fleet_ship_20240201_20240301"]
    later = maintain("fleet.ship", now=at(MAY) + timedelta(hours=1))
    assert [each.partition for each in later.actions] == ["fleet_ship_20240101_20240201"]
    assert database.log(Ship, "2024-01-01").detach_time is None


def test_the_fuse_detaches_none_and_says_so_and_room_is_made_all_the_same(
    database: Database,
) -> None:
    fleet_of_2024(database, interval=1, max_retire_per_pass=2)
    report = maintain("fleet.ship", now=at("2024-06-15"))
    assert "4 partitions are past retention, more than the 2" in failure(report)
    assert database.ranges(Ship)[0] == ("2024-01-01", "2024-02-01")
    assert database.ranges(Ship)[-1] == ("2024-08-01", "2024-09-01")
    assert database.runs(Ship)[0].outcome == "failed"
    database.configure(Ship, max_retire_per_pass=4)
    maintain("fleet.ship", now=at("2024-06-15"))
    assert database.ranges(Ship)[0] == ("2024-05-01", "2024-06-01")


def test_by_hand_everything_past_retention_goes_whatever_the_fuse(database: Database) -> None:
    fleet_of_2024(database, interval=1, max_retire_per_pass=1)
    report = Ship.partitioning.detach_partition()
    assert len(report.actions) == 7
    assert database.ranges(Ship) == []


def test_by_hand_pins_hold_unless_it_is_named(database: Database) -> None:
    fleet_of_2024(database, interval=1)
    log = database.log(Ship, "2024-01-01")
    log.detach_time = at("2999-01-01")
    log.save()
    Ship.partitioning.detach_partition()
    assert database.ranges(Ship) == [("2024-01-01", "2024-02-01")]
    Ship.partitioning.detach_partition(log)
    assert database.ranges(Ship) == []


def test_one_is_detached_by_its_row(database: Database) -> None:
    fleet_of_2024(database)
    log = database.log(Ship, "2024-06-01")
    assert outcomes(log.detach()) == [("detach", "done")]
    log.refresh_from_db()
    assert not log.is_attached
    assert len(database.ranges(Ship)) == 6


def test_what_is_detached_stays_so(database: Database) -> None:
    fleet_of_2024(database)
    log = database.log(Ship, "2024-01-01")
    log.detach()
    log.refresh_from_db()
    since = log.detached_at
    assert log.detach().outcome == "unchanged"
    log.refresh_from_db()
    assert log.detached_at == since


def test_a_row_of_another_model_is_refused_and_named(database: Database) -> None:
    fleet_of_2024(database)
    with pytest.raises(UnknownName, match=r"no partition of fleet.cargo named 'fleet_ship_2024"):
        Cargo.partitioning.detach_partition(database.log(Ship, "2024-01-01"))
    assert len(database.ranges(Ship)) == 7


def test_a_concurrent_detach_is_refused_in_a_transaction_and_the_plain_one_offered(
    database: Database,
) -> None:
    fleet_of_2024(database)
    log = database.log(Ship, "2024-01-01")
    with pytest.raises(OperationFailed) as caught, transaction.atomic():
        Ship.partitioning.detach_partition(log)
    assert "cannot run inside a transaction" in str(caught.value)
    assert "concurrently=False" in str(caught.value)
    assert len(database.ranges(Ship)) == 7
    assert database.log(Ship, "2024-01-01").unfinished == ""


def test_a_plain_detach_is_part_of_the_transaction(database: Database) -> None:
    fleet_of_2024(database)
    log = database.log(Ship, "2024-01-01")
    with rolled_back():
        Ship.partitioning.detach_partition(log, concurrently=False)
        assert len(database.ranges(Ship)) == 6
    assert len(database.ranges(Ship)) == 7
    assert database.log(Ship, "2024-01-01").is_attached
    with transaction.atomic():
        log.detach(concurrently=False)
    assert len(database.ranges(Ship)) == 6
    assert not database.log(Ship, "2024-01-01").is_attached


def test_a_date_key(database: Database) -> None:
    database.configure(Crossing, interval=1, premake=1)
    database.cover(Crossing, "2024-05-10", "2024-05-16")
    maintain("fleet.crossing", now=at(MAY))
    assert database.ranges(Crossing)[0] == ("2024-05-14", "2024-05-15")


def test_with_a_foreign_key(database: Database) -> None:
    database.configure(Cargo, interval=1)
    database.cover(Cargo, "2024-01-01", "2024-02-01")
    port = Port.objects.create(name="Lisbon")
    Cargo.objects.create(loaded_at=at("2024-01-05"), port=port, code="a")
    report = maintain("fleet.cargo", now=at(MAY))
    assert ("detach", "done") in outcomes(report)
    assert database.one("SELECT code FROM fleet_cargo_20240101_20240201") == "a"


def test_what_is_detached_keeps_a_check_that_makes_attaching_back_free(database: Database) -> None:
    fleet_of_2024(database)
    maintain("fleet.ship", now=at(MAY))
    assert database.query(
        "SELECT convalidated FROM pg_constraint WHERE contype = 'c'"
        " AND conrelid = 'fleet_ship_20240101_20240201'::regclass"
    ) == [True]


def test_what_is_retired_moves_with_its_indexes(
    database: Database, tablespaces: Tablespaces
) -> None:
    fleet_of_2024(database, detach_tablespace=tablespaces.cold)
    report = maintain("fleet.ship", now=at(MAY))
    assert outcomes(report) == [("detach", "done"), ("move", "done")] * 2
    assert database.tablespaces("fleet_ship_20240101_20240201") == {tablespaces.cold}
    assert database.tablespaces("fleet_ship_20240301_20240401") == {"pg_default"}
    assert database.log(Ship, "2024-01-01").unfinished == ""
    assert maintain("fleet.ship", now=at(MAY)).outcome == "unchanged"


def test_by_hand_it_moves_too(database: Database, tablespaces: Tablespaces) -> None:
    fleet_of_2024(database, detach_tablespace=tablespaces.cold)
    database.log(Ship, "2024-06-01").detach()
    assert database.tablespaces("fleet_ship_20240601_20240701") == {tablespaces.cold}


def test_an_unknown_tablespace_of_what_is_detached_stops_the_detach(database: Database) -> None:
    fleet_of_2024(database, detach_tablespace="nowhere")
    report = maintain("fleet.ship", now=at(MAY))
    assert "There is no tablespace named 'nowhere'. Known: " in failure(report)
    assert "pg_default" in report.reason
    assert len(database.ranges(Ship)) == 7
    assert {log.unfinished for log in database.logs(Ship)} == {""}


# Cut short


def leave_pending(database: Database, leaf: str) -> None:
    """Cancel a concurrent detach in the middle, as a dead worker does."""
    other = database.connection.copy()
    try:
        with other.cursor() as cursor:
            other.set_autocommit(False)
            cursor.execute("SELECT count(*) FROM fleet_ship")
        database.execute("SET statement_timeout = '100ms'")
        with pytest.raises(OperationalError, match="statement timeout"):
            database.execute(f"ALTER TABLE fleet_ship DETACH PARTITION {leaf} CONCURRENTLY")
    finally:
        database.execute("SET statement_timeout = 0")
        other.close()
    assert database.one(
        "SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = %s::regclass", leaf
    )


def test_a_pending_detach_is_finalized_before_anything_else(database: Database) -> None:
    fleet_of_2024(database)
    leave_pending(database, "fleet_ship_20240501_20240601")
    report = maintain("fleet.ship", now=at(MAY))
    assert outcomes(report) == [
        ("finalize", "done"),
        ("create", "done"),
        ("detach", "done"),
        ("detach", "done"),
    ]
    # The name stays with the detached one, and its range has room again.
    assert report.actions[1].partition == "fleet_ship_20240501_20240601_2"
    assert database.ranges(Ship)[2] == ("2024-05-01", "2024-06-01")
    old = next(
        row for row in database.logs(Ship) if row.table_name == "fleet_ship_20240501_20240601"
    )
    assert not old.is_attached
    assert old.detached_at is not None
    assert at(MAY) < old.detached_at < at(MAY) + A_MINUTE
    assert maintain("fleet.ship", now=at(MAY)).outcome == "unchanged"


def test_a_pending_detach_that_was_asked_for_is_finalized(database: Database) -> None:
    fleet_of_2024(database, interval=None)
    leave_pending(database, "fleet_ship_20240101_20240201")
    database.log(Ship, "2024-01-01").detach()
    assert not database.log(Ship, "2024-01-01").is_attached
    assert len(database.ranges(Ship)) == 6


def test_a_pending_detach_that_is_not_wanted_any_more_is_taken_back(database: Database) -> None:
    fleet_of_2024(database, interval=None)
    leave_pending(database, "fleet_ship_20240101_20240201")
    database.log(Ship, "2024-01-01").attach()
    assert database.ranges(Ship)[0] == ("2024-01-01", "2024-02-01")
    assert Ship.objects.count() == 7
    assert maintain("fleet.ship", now=at(MAY)).outcome == "unchanged"
