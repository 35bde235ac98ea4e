"""Putting detached partitions back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from pg_timepart.errors import OperationFailed
from pg_timepart.maintenance.maintain import maintain
from tests.apps.fleet.models import Cargo, Crossing, Port, Ship
from tests.support.database import Database, Tablespaces, at, notices_of, outcomes, rolled_back
from tests.support.processes import die_at

MAY = "2024-05-15 10:30"
JANUARY = "fleet_ship_20240101_20240201"
CARGO = "fleet_cargo_20240101_20240201"


def detached_ship(database: Database, **facts: Any) -> Any:
    """Return the row of a detached January with one ship in it; February stays attached."""
    database.configure(Ship, **facts)
    database.cover(Ship, "2024-01-01", "2024-03-01")
    Ship.objects.create(sailed_at=at("2024-01-15"), name="Argo")
    log = database.log(Ship, "2024-01-01")
    log.detach()
    log.refresh_from_db()
    return log


def detached_cargo(database: Database) -> Any:
    """Return the row of a detached January with one load in it."""
    database.cover(Cargo, "2024-01-01", "2024-02-01")
    port = Port.objects.create(name="Lisbon")
    Cargo.objects.create(loaded_at=at("2024-01-15"), port=port, code="a")
    log = database.log(Cargo, "2024-01-01")
    log.detach()
    log.refresh_from_db()
    return log


def test_it_comes_back_with_its_bounds_and_its_rows(database: Database) -> None:
    log = detached_ship(database)
    assert Ship.objects.count() == 0
    report = log.attach()
    assert outcomes(report) == [("attach", "done")]
    assert database.ranges(Ship) == [("2024-01-01", "2024-02-01"), ("2024-02-01", "2024-03-01")]
    assert Ship.objects.get().name == "Argo"
    log.refresh_from_db()
    assert (log.is_attached, log.detached_at, log.unfinished) == (True, None, "")


def test_without_an_argument_all_come_back(database: Database) -> None:
    detached_ship(database)
    database.log(Ship, "2024-02-01").detach()
    assert outcomes(Ship.partitioning.attach_partition()) == [("attach", "done")] * 2
    assert len(database.ranges(Ship)) == 2
    assert Ship.partitioning.attach_partition().outcome == "unchanged"


def test_a_pin_keeps_it_until_then(database: Database) -> None:
    log = detached_ship(database, interval=1, premake=1)
    Ship.partitioning.attach_partition(log, detach_time=at("2024-06-01"))
    log.refresh_from_db()
    assert log.detach_time == at("2024-06-01")
    maintain("fleet.ship", now=at(MAY))
    assert JANUARY in database.children(Ship)
    maintain("fleet.ship", now=at("2024-06-01"))
    assert JANUARY not in database.children(Ship)


def test_a_detach_that_was_interrupted_is_called_off(database: Database) -> None:
    database.configure(Ship, premake=1)
    database.cover(Ship, "2024-01-01", "2024-02-01")
    log = database.log(Ship, "2024-01-01")
    die_at("before ALTER TABLE", log.detach)
    assert database.log(Ship, "2024-01-01").unfinished == "detach"
    log.attach()
    assert (log.is_attached, log.unfinished) == (True, "")
    maintain("fleet.ship", now=at("2024-01-15"))
    assert ("2024-01-01", "2024-02-01") in database.ranges(Ship)


def test_a_pin_without_a_zone_is_refused_before_anything_is_done(database: Database) -> None:
    log = detached_ship(database)
    naive = datetime(2024, 6, 1)  # noqa: DTZ001
    with pytest.raises(ValueError, match="detach_time must be aware; 2024-06-01 00:00:00"):
        log.attach(naive)
    log.refresh_from_db()
    assert (log.is_attached, log.detach_time) == (False, None)


def test_what_is_attached_stays_so_and_may_be_pinned(database: Database) -> None:
    detached_ship(database)
    log = database.log(Ship, "2024-02-01")
    assert log.attach(at("2024-06-01")).outcome == "unchanged"
    log.refresh_from_db()
    assert (log.is_attached, log.detach_time) == (True, at("2024-06-01"))


def test_the_rows_are_not_scanned_again(database: Database) -> None:
    log = detached_ship(database)
    with notices_of(database) as told:
        log.attach()
    assert any("is implied by existing constraints" in each for each in told), told


def test_the_rows_are_checked_before_the_attach_where_no_check_was_left(database: Database) -> None:
    log = detached_ship(database)
    names = database.query(
        "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = %s::regclass", JANUARY
    )
    for name in names:
        database.execute(f'ALTER TABLE {JANUARY} DROP CONSTRAINT "{name}"')
    with notices_of(database) as told:
        report = log.attach()
    assert any("is implied by existing constraints" in each for each in told), told
    assert any("VALIDATE CONSTRAINT" in each for each in report.actions[0].statements)


@pytest.mark.parametrize("model", [Ship, Crossing])
def test_no_check_is_left_behind(database: Database, model: Any) -> None:
    database.cover(model, "2024-01-01", "2024-01-02")
    (log,) = database.logs(model)
    for _ in range(2):
        log.detach()
        log.attach()
    assert (
        database.query(
            "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = %s", log.relid
        )
        == []
    )


def test_where_another_partition_covers_the_range_it_says_which_and_what_to_do(
    database: Database,
) -> None:
    log = detached_ship(database)
    database.cover(Ship, "2024-01-01", "2024-02-01")
    with pytest.raises(OperationFailed) as caught:
        log.attach()
    assert (
        f"{JANUARY} cannot be attached: {JANUARY}_2 covers some of its range. Detach {JANUARY}_2"
        " first, or move the rows of one into the other."
    ) in str(caught.value)
    log.refresh_from_db()
    assert (log.is_attached, log.unfinished) == (False, "")
    assert database.one(f"SELECT name FROM {JANUARY}") == "Argo"


def test_rows_outside_the_bounds_fail_it_and_nothing_is_lost(database: Database) -> None:
    log = detached_ship(database)
    for name in database.query(
        "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = %s::regclass", JANUARY
    ):
        database.execute(f'ALTER TABLE {JANUARY} DROP CONSTRAINT "{name}"')
    database.execute(
        f"INSERT INTO {JANUARY} (id, sailed_at, name) VALUES (-1, '2024-03-01', 'Lost')"
    )
    for _ in range(2):
        with pytest.raises(OperationFailed, match="is violated by some row"):
            log.attach()
        log.refresh_from_db()
        assert (log.is_attached, log.unfinished) == (False, "")
        assert database.one(f"SELECT count(*) FROM {JANUARY}") == 2
    database.execute(f"DELETE FROM {JANUARY} WHERE id = -1")
    log.attach()
    assert Ship.objects.get().name == "Argo"
    assert maintain("fleet.ship", now=at("2024-01-15")).outcome == "done"


def test_a_detached_partition_that_somebody_dropped_is_forgotten(database: Database) -> None:
    log = detached_ship(database)
    database.execute(f"DROP TABLE {JANUARY}")
    with pytest.raises(OperationFailed, match=f"{JANUARY}.* does not exist any more"):
        Ship.partitioning.attach_partition(log)
    assert [row.start for row in database.logs(Ship)] == [at("2024-02-01")]


def test_in_a_transaction_it_is_part_of_it(database: Database) -> None:
    log = detached_ship(database)
    with rolled_back():
        log.attach()
        assert Ship.objects.count() == 1
    assert Ship.objects.count() == 0
    assert not database.log(Ship, "2024-01-01").is_attached
    log.attach()
    assert Ship.objects.count() == 1


# What the parent has and the leaf has not


def missing_from(database: Database, *statements: str) -> Any:
    log = detached_cargo(database)
    for statement in statements:
        database.execute(statement.format(leaf=CARGO))
    return log


def drop_all(database: Database, kinds: str) -> None:
    for name in database.query(
        "SELECT conname FROM pg_constraint WHERE contype = ANY(%s) AND conrelid = %s::regclass",
        list(kinds),
        CARGO,
    ):
        database.execute(f'ALTER TABLE {CARGO} DROP CONSTRAINT "{name}"')


def indexes(database: Database, table: str) -> list[str]:
    found = database.query(
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index"
        " WHERE indrelid = %s::regclass AND indisvalid",
        table,
    )
    return sorted(each.partition(" USING ")[2] for each in found)


def test_a_missing_index_is_built_first(database: Database) -> None:
    log = detached_cargo(database)
    for name in database.query(
        "SELECT indexrelid::regclass::text FROM pg_index"
        " WHERE indrelid = %s::regclass AND NOT indisunique",
        CARGO,
    ):
        database.execute(f"DROP INDEX {name}")
    statements = log.attach().actions[0].statements
    built = [each for each in statements if each.startswith("CREATE INDEX")]
    assert len(built) == 3
    assert all("ATTACH PARTITION" not in each for each in statements[:3])
    assert indexes(database, CARGO) == indexes(database, "fleet_cargo")


def test_missing_keys_are_built_first(database: Database) -> None:
    log = detached_cargo(database)
    drop_all(database, "pu")
    statements = log.attach().actions[0].statements
    assert sum(" ADD PRIMARY KEY" in each or " ADD UNIQUE" in each for each in statements) == 2
    assert indexes(database, CARGO) == indexes(database, "fleet_cargo")


def test_an_index_made_meanwhile_on_the_parent_is_built_first(database: Database) -> None:
    log = detached_cargo(database)
    database.execute(
        "CREATE INDEX fleet_later ON fleet_cargo (lower(code), tons DESC) WHERE tons > 0"
    )
    try:
        statements = log.attach().actions[0].statements
        assert any("lower" in each for each in statements)
        assert indexes(database, CARGO) == indexes(database, "fleet_cargo")
    finally:
        database.execute("DROP INDEX fleet_later")


def test_an_index_of_its_own_stays(database: Database) -> None:
    log = missing_from(database, "CREATE INDEX fleet_own ON {leaf} (tons, code)")
    log.attach()
    assert "btree (tons, code)" in indexes(database, CARGO)


def test_a_missing_foreign_key_is_added_and_checked_first(database: Database) -> None:
    log = detached_cargo(database)
    drop_all(database, "f")
    log.attach()
    assert database.query(
        "SELECT confrelid::regclass::text, convalidated, conparentid <> 0 FROM pg_constraint"
        " WHERE contype = 'f' AND conrelid = %s::regclass",
        CARGO,
    ) == [("fleet_port", True, True)]


def test_rows_without_what_they_refer_to_fail_it_again_and_again(database: Database) -> None:
    log = detached_cargo(database)
    drop_all(database, "f")
    database.execute(f"UPDATE {CARGO} SET port_id = port_id + 1")
    for _ in range(2):
        with pytest.raises(OperationFailed, match=r"1 of the rows of fleet_cargo_\w+ refer by"):
            log.attach()
        log.refresh_from_db()
        assert (log.is_attached, log.unfinished) == (False, "")
    database.execute(f"UPDATE {CARGO} SET port_id = port_id - 1")
    log.attach()
    assert Cargo.objects.count() == 1
    assert database.query(
        "SELECT convalidated FROM pg_constraint WHERE contype = 'f' AND conrelid = %s::regclass",
        CARGO,
    ) == [True]


# Tablespaces


def test_it_goes_back_to_where_attached_ones_live(
    database: Database, tablespaces: Tablespaces
) -> None:
    log = detached_ship(
        database, attach_tablespace=tablespaces.fast, detach_tablespace=tablespaces.cold
    )
    assert database.tablespaces(JANUARY) == {tablespaces.cold}
    log.attach()
    assert database.tablespaces(JANUARY) == {tablespaces.fast}
    log.detach()
    assert database.tablespaces(JANUARY) == {tablespaces.cold}


def test_indexes_built_for_it_are_where_it_is(database: Database, tablespaces: Tablespaces) -> None:
    database.configure(Cargo, attach_tablespace=tablespaces.fast)
    log = detached_cargo(database)
    drop_all(database, "pu")
    log.attach()
    assert database.tablespaces(CARGO) == {tablespaces.fast}


def test_without_a_wish_it_stays_where_it_is(database: Database, tablespaces: Tablespaces) -> None:
    log = detached_ship(database, detach_tablespace=tablespaces.cold)
    log.attach()
    assert database.tablespaces(JANUARY) == {tablespaces.cold}


def test_an_unknown_tablespace_stops_it_first(database: Database) -> None:
    log = detached_ship(database)
    database.configure(Ship, attach_tablespace="nowhere")
    with pytest.raises(OperationFailed, match=r"There is no tablespace named 'nowhere'. Known: "):
        Ship.partitioning.attach_partition(log)
    log.refresh_from_db()
    assert (log.is_attached, log.unfinished) == (False, "")
