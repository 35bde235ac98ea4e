"""Inside a transaction that has written rows whose foreign keys are checked at its end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import TestCase

from pg_timepart.errors import OperationFailed
from pg_timepart.models import PartitionLog
from tests.apps.fleet.models import Cargo, Port, Ship
from tests.apps.plant.models import Machine, Measurement
from tests.support.database import Database, at, rolled_back

OLD = dt.datetime(2024, 3, 5, tzinfo=dt.UTC)
JANUARY = "fleet_cargo_20240101_20240201"
GONE = 987654


@pytest.fixture
def log(database: Database) -> PartitionLog:
    """The row of an attached January of the cargo; February is there too."""
    database.cover(Cargo, "2024-01-01", "2024-02-01", "2024-03-01")
    return database.log(Cargo, "2024-01-01")


def load(day: str = "2024-01-15", port: int | None = None) -> Cargo:
    """Write a row whose foreign key waits for its check."""
    port_id = Port.objects.create(name="Lisbon").pk if port is None else port
    return Cargo.objects.create(loaded_at=at(day), port_id=port_id, code=f"{day} {port_id}")


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def detach(log: PartitionLog) -> None:
    log.detach(concurrently=False)


def truncate(log: PartitionLog) -> None:
    log.truncate()


def move(log: PartitionLog) -> None:
    log.set_tablespace("pg_default")


def attach(log: PartitionLog) -> None:
    detach(log)
    log.attach()


def attach_without_its_check(log: PartitionLog) -> None:
    detach(log)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE conrelid = %s AND contype = 'c'"
            " AND conname <> 'fleet_cargo_tons_check'",
            [log.relid],
        )
        names = [name for (name,) in cursor.fetchall()]
    connection.check_constraints()
    for name in names:
        execute(f'ALTER TABLE {JANUARY} DROP CONSTRAINT "{name}"')
    execute(
        f"INSERT INTO {JANUARY} (id, loaded_at, port_id, code, tons)"
        f" SELECT -1, loaded_at, port_id, 'again', 1 FROM {JANUARY}"
    )
    log.attach()


def drop(log: PartitionLog) -> None:
    detach(log)
    log.delete()


OPERATIONS = [detach, truncate, move, attach, attach_without_its_check, drop]


@pytest.mark.parametrize("operate", OPERATIONS)
def test_it_works_after_a_row_was_written(
    log: PartitionLog, operate: Callable[[PartitionLog], None]
) -> None:
    with transaction.atomic():
        load()
        operate(log)
        load("2024-02-15")
    assert Cargo.objects.filter(loaded_at=at("2024-02-15")).count() == 1


@pytest.mark.parametrize("operate", [attach, drop])
def test_it_works_after_a_row_that_is_referred_to_was_deleted(
    log: PartitionLog, operate: Callable[[PartitionLog], None]
) -> None:
    unused = Port.objects.create(name="Ostia")
    with transaction.atomic():
        Port.objects.filter(pk=unused.pk).delete()
        operate(log)


@pytest.mark.parametrize("operate", [truncate, attach, drop])
def test_a_violation_fails_it_and_the_transaction_goes_on(
    log: PartitionLog, operate: Callable[[PartitionLog], None]
) -> None:
    with rolled_back():
        load(port=GONE)
        with pytest.raises(OperationFailed) as caught:
            operate(log)
        assert f'Key (port_id)=({GONE}) is not present in table "fleet_port"' in str(caught.value)
        execute(f"DELETE FROM {JANUARY}")
        load("2024-02-15")
        assert Cargo.objects.count() == 1


def test_constraints_wait_for_the_end_again_where_they_are_declared_so(log: PartitionLog) -> None:
    with transaction.atomic():
        load()
        log.truncate()
        late = load("2024-02-15", port=GONE)
        Port.objects.create(pk=GONE, name="Late")
    assert Cargo.objects.get().pk == late.pk


def test_after_one_that_fails_they_wait_for_the_end_too(log: PartitionLog) -> None:
    with transaction.atomic():
        load(port=GONE)
        with suppress(OperationFailed):
            log.truncate()
        Port.objects.create(pk=GONE, name="Late")
    assert Cargo.objects.count() == 1


def test_constraints_of_other_tables_wait_for_the_end(
    database: Database, log: PartitionLog
) -> None:
    """Of tables that refer to the same target too, unless a foreign key to it is dropped."""
    database.configure(Cargo, keep_foreign_keys=True)
    database.execute(
        "CREATE TABLE fleet_berth (port int REFERENCES fleet_port"
        " DEFERRABLE INITIALLY DEFERRED, taken int UNIQUE DEFERRABLE INITIALLY DEFERRED)"
    )
    with transaction.atomic():
        execute(f"INSERT INTO fleet_berth VALUES ({GONE}, 1), ({GONE}, 1)")
        load()
        for operate in (truncate, move, attach):
            operate(log)
        execute("UPDATE fleet_berth SET taken = 2 WHERE ctid = '(0,1)'")
        Port.objects.create(pk=GONE, name="Late")
    assert database.query("SELECT taken FROM fleet_berth ORDER BY 1") == [1, 2]


def test_what_is_declared_to_be_checked_at_once_stays_so(
    database: Database, log: PartitionLog
) -> None:
    database.execute(
        f"ALTER TABLE {JANUARY} ADD CONSTRAINT at_once UNIQUE (code) DEFERRABLE INITIALLY IMMEDIATE"
    )
    with rolled_back():
        execute("SET CONSTRAINTS at_once DEFERRED")
        Cargo.objects.create(loaded_at=at("2024-01-02"), port_id=load().port_id, code="x")
        move(log)
        with pytest.raises(IntegrityError, match="at_once"), transaction.atomic():
            execute(f"UPDATE {JANUARY} SET code = 'x'")


def test_a_new_partition_beside_a_default_one_that_was_written_to(database: Database) -> None:
    database.execute("CREATE TABLE fleet_cargo_rest PARTITION OF fleet_cargo DEFAULT")
    with transaction.atomic():
        load("2024-05-05")
        Cargo.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
    assert database.ranges(Cargo) == [("2024-01-01", "2024-02-01")]


def test_creating_one_asks_for_no_check(database: Database, log: PartitionLog) -> None:
    with transaction.atomic():
        load(port=GONE)
        Cargo.partitioning.create_range(at("2024-03-01"), at("2024-04-01"))
        Port.objects.create(pk=GONE, name="Late")
    assert Cargo.objects.count() == 1


def test_a_table_of_no_constraints(database: Database) -> None:
    database.cover(Ship, "2024-01-01", "2024-02-01")
    with transaction.atomic():
        Ship.objects.create(sailed_at=at("2024-01-02"))
        attach(database.log(Ship, "2024-01-01"))
    assert Ship.objects.count() == 1


class InTestCase(TestCase):
    """As in the test suites of those who use the package: never committed."""

    def test_everything_in_one(self) -> None:
        support: Any = Measurement.partitioning
        support.create_range(OLD, OLD + dt.timedelta(days=1))
        log = support.config.logs.get(start=OLD)
        Measurement.objects.create(at=OLD, value=1, machine=Machine.objects.create(name="press"))
        log.detach(concurrently=False)
        assert Measurement.objects.count() == 0
        log.attach()
        assert Measurement.objects.count() == 1
        log.truncate()
        assert Measurement.objects.count() == 0
        log.detach(concurrently=False)
        log.delete()
        assert not support.config.logs.filter(start=OLD).exists()
