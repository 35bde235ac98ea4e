"""Dropping and emptying partitions."""

from __future__ import annotations

from datetime import timedelta
from threading import Timer
from typing import Any

import pytest

from pg_timepart.errors import OperationDeferred, OperationFailed
from pg_timepart.maintenance.maintain import maintain
from pg_timepart.models import PartitionLog
from tests.apps.fleet.models import Cargo, Port, Ship
from tests.support.database import Database, at, failure, outcomes, rolled_back
from tests.support.processes import die_at, session

MAY = "2024-05-15 10:30"
JANUARY = "fleet_ship_20240101_20240201"
CARGO = "fleet_cargo_20240101_20240201"


def detached_ship(database: Database, since: str = "2024-04-01", **facts: Any) -> Any:
    """Return the row of a January that was detached then, with a ship in it."""
    database.configure(Ship, premake=1, **facts)
    database.cover(Ship, "2024-01-01", "2024-02-01")
    Ship.objects.create(sailed_at=at("2024-01-15"))
    maintain("fleet.ship", now=at(MAY))
    log = database.log(Ship, "2024-01-01")
    log.detach()
    log.refresh_from_db()
    log.detached_at = at(since)
    log.save()
    return log


def test_nothing_is_dropped_by_default(database: Database) -> None:
    detached_ship(database, since="2000-01-01", interval=1)
    assert maintain("fleet.ship", now=at(MAY)).outcome == "unchanged"
    assert database.exists(JANUARY)


def test_a_pass_drops_what_is_past_its_grace(database: Database) -> None:
    log = detached_ship(database, drop_after=timedelta(days=30))
    assert maintain("fleet.ship", now=at("2024-04-30 23:59")).actions == ()
    assert database.exists(JANUARY)
    report = maintain("fleet.ship", now=at("2024-05-01"))
    assert outcomes(report) == [("drop", "done")]
    assert not database.exists(JANUARY)
    assert not PartitionLog.objects.filter(pk=log.pk).exists()
    assert maintain("fleet.ship", now=at("2024-05-01")).outcome == "unchanged"


def test_a_pass_never_drops_what_it_has_just_detached(database: Database) -> None:
    database.configure(Ship, premake=1, interval=1, drop_after=timedelta(0))
    database.cover(Ship, "2024-01-01", "2024-02-01")
    report = maintain("fleet.ship", now=at(MAY))
    assert ("detach", "done") in outcomes(report)
    assert database.exists(JANUARY)


def test_by_hand_a_detached_one_is_dropped_with_its_row(database: Database) -> None:
    log = detached_ship(database)
    assert outcomes(Ship.partitioning.delete_partition(log)) == [("drop", "done")]
    assert not database.exists(JANUARY)
    assert not PartitionLog.objects.filter(pk=log.pk).exists()


def test_deleting_the_row_drops_the_table(database: Database) -> None:
    log = detached_ship(database)
    log.delete()
    assert not database.exists(JANUARY)


def test_deleting_rows_in_bulk_runs_no_ddl(database: Database) -> None:
    detached_ship(database)
    PartitionLog.objects.filter(config__model_label="fleet.ship").delete()
    assert database.exists(JANUARY)


def test_an_attached_one_is_refused(database: Database) -> None:
    database.cover(Ship, "2024-01-01", "2024-02-01")
    log = database.log(Ship, "2024-01-01")
    with pytest.raises(
        OperationFailed, match="is attached: only what was detached first can be dropped"
    ):
        log.delete()
    assert database.ranges(Ship) == [("2024-01-01", "2024-02-01")]
    log.refresh_from_db()
    assert (log.is_attached, log.unfinished) == (True, "")


def test_by_hand_the_grace_holds_too_and_the_sentence_says_until_when(database: Database) -> None:
    log = detached_ship(database, since="2999-01-01", drop_after=timedelta(days=30))
    with pytest.raises(OperationFailed) as caught:
        log.delete()
    assert (
        f"{JANUARY} was detached at 2999-01-01 00:00 UTC and is kept until 2999-01-31 00:00 UTC"
        " by the config's grace of 30 days"
    ) in str(caught.value)
    log.refresh_from_db()
    assert (database.exists(JANUARY), log.unfinished) == (True, "")


def test_foreign_keys_go_first_each_by_itself(database: Database) -> None:
    database.configure(Cargo, keep_foreign_keys=True)
    database.cover(Cargo, "2024-01-01", "2024-02-01")
    port = Port.objects.create(name="Lisbon")
    Cargo.objects.create(loaded_at=at("2024-01-15"), port=port, code="a")
    log = database.log(Cargo, "2024-01-01")
    log.detach()
    statements = Cargo.partitioning.delete_partition(log).actions[0].statements
    kinds = [each.partition('"public"')[0].strip() for each in statements]
    assert kinds == ["ALTER TABLE", "DROP TABLE"]
    assert not database.exists(CARGO)
    port.delete()


def test_a_view_upon_it_fails_with_the_servers_reason_and_can_be_repeated(
    database: Database,
) -> None:
    log = detached_ship(database, drop_after=timedelta(days=1))
    database.execute(f"CREATE VIEW fleet_view AS SELECT * FROM {JANUARY}")
    report = maintain("fleet.ship", now=at(MAY))
    assert outcomes(report) == [("drop", "failed")]
    assert "view fleet_view depends on table" in failure(report)
    log.refresh_from_db()
    assert (database.exists(JANUARY), log.unfinished) == (True, "")
    database.execute("DROP VIEW fleet_view")
    assert maintain("fleet.ship", now=at(MAY)).outcome == "done"
    assert not database.exists(JANUARY)


def test_in_a_transaction_it_is_part_of_it(database: Database) -> None:
    log = detached_ship(database)
    with rolled_back():
        Ship.partitioning.delete_partition(log)
        assert not database.exists(JANUARY)
    assert database.exists(JANUARY)
    assert PartitionLog.objects.filter(pk=log.pk).exists()


def test_a_table_that_is_gone_is_forgotten(database: Database) -> None:
    log = detached_ship(database)
    database.execute(f"DROP TABLE {JANUARY}")
    Ship.partitioning.delete_partition(log)
    assert not PartitionLog.objects.filter(pk=log.pk).exists()


def ships_of_2024(database: Database) -> None:
    database.cover(Ship, "2024-01-01", "2024-04-01")
    for month in ("01", "02", "03"):
        Ship.objects.create(sailed_at=at(f"2024-{month}-15"))


def test_truncating_one_empties_it_alone(database: Database) -> None:
    ships_of_2024(database)
    assert outcomes(database.log(Ship, "2024-02-01").truncate()) == [("truncate", "done")]
    assert [ship.sailed_at.month for ship in Ship.objects.order_by("sailed_at")] == [1, 3]
    assert len(database.ranges(Ship)) == 3


def test_truncating_a_detached_one(database: Database) -> None:
    log = detached_ship(database)
    log.truncate()
    assert database.one(f"SELECT count(*) FROM {JANUARY}") == 0
    assert database.exists(JANUARY)


def test_truncating_all_spares_what_is_detached(database: Database) -> None:
    ships_of_2024(database)
    database.log(Ship, "2024-01-01").detach()
    database.execute("CREATE TABLE fleet_rest PARTITION OF fleet_ship DEFAULT")
    Ship.objects.create(sailed_at=at("1999-01-01"))
    report = Ship.partitioning.truncate_all_partition()
    assert outcomes(report) == [("truncate", "done")] * 3
    assert Ship.objects.count() == 0
    assert database.one(f"SELECT count(*) FROM {JANUARY}") == 1


def test_what_somebody_attaches_while_we_wait_is_not_dropped(database: Database) -> None:
    log = detached_ship(database)
    with session("a person at psql") as person:
        person.execute("BEGIN")
        person.execute(
            f"ALTER TABLE fleet_ship ATTACH PARTITION {JANUARY}"
            " FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2024-02-01 00:00+00')"
        )
        committing = Timer(0.6, person.execute, ["COMMIT"])
        committing.start()
        with pytest.raises(OperationDeferred, match=f"has just attached or renamed {JANUARY}"):
            log.delete()
        committing.join()
    assert Ship.objects.filter(sailed_at=at("2024-01-15")).exists()
    with pytest.raises(OperationFailed, match="is attached"):
        log.delete()


def test_what_a_crash_left_is_dropped_only_if_the_config_still_says_so(database: Database) -> None:
    log = detached_ship(database, drop_after=timedelta(days=30))
    die_at("DROP TABLE", lambda: maintain("fleet.ship", now=at(MAY)))
    database.configure(Ship, drop_after=None)
    assert maintain("fleet.ship", now=at(MAY)).outcome == "unchanged"
    assert database.exists(JANUARY)
    database.configure(Ship, drop_after=timedelta(days=30))
    maintain("fleet.ship", now=at(MAY))
    assert not PartitionLog.objects.filter(pk=log.pk).exists()
