"""Identifiers that need care, through the whole life of a partition at run time."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import models

from pg_timepart.errors import OperationFailed
from pg_timepart.maintenance.maintain import maintain
from pg_timepart.maintenance.reconcile import reconcile
from tests.apps.fleet.models import Mooring, Port
from tests.support.case_samples import some_of
from tests.support.database import Database, Tablespaces, at, outcomes

NAMES = {
    "capitals": "MixedCase",
    "space": "with space",
    "percent": "rate 5%",
    "percent s": "5%s and 5%(name)s",
    "braces": "{0} {}",
    "reserved": "select",
    "non-ascii": "Größe_время",
    "63 bytes": "n" * 63,
    "63 bytes of two": "я" * 31 + "n",
    "apostrophe": "o'clock",
    "dollar": "$pg_timepart$",
    "backslash": "back\\slash",
    "dot": "a.b",
    "quoted by hand": '"Quoted"',
    "leading digit": "2nd",
}
SAMPLE = ("percent s", "reserved", "63 bytes of two", "apostrophe", "quoted by hand")
"""``make fuzz`` takes all of them."""


def run_through(database: Database, model: Any, *then: str) -> None:
    """Create, detach, attach, empty, detach by a pass, which does ``then`` too, and drop."""
    partitioning = model.partitioning
    partitioning.create_range(at("2024-01-01"), at("2024-03-01"))
    assert database.ranges(model) == [("2024-01-01", "2024-02-01"), ("2024-02-01", "2024-03-01")]
    logs = database.logs(model)
    assert {row.table_name for row in logs} == set(database.children(model))
    assert all(len(row.table_name.encode()) <= 63 for row in logs)
    first = logs[0]
    partitioning.detach_partition(first)
    partitioning.attach_partition(first)
    assert len(database.ranges(model)) == 2
    partitioning.truncate_all_partition()
    database.configure(model, interval=1, premake=1)
    report = database.maintain(model, "2024-03-15")
    expected = ["create", "create", "detach", *then]
    assert outcomes(report) == [(each, "done") for each in expected]
    assert database.maintain(model, "2024-03-15").outcome == "unchanged"
    first.refresh_from_db()
    assert not first.is_attached
    partitioning.delete_partition(first)
    assert database.ranges(model)[0] == ("2024-02-01", "2024-03-01")
    assert len(database.logs(model)) == 3


@pytest.mark.parametrize("name", some_of(NAMES, SAMPLE))
def test_table(database: Database, name: str) -> None:
    run_through(database, database.build(db_table=name, number=models.IntegerField(null=True)))


@pytest.mark.parametrize("name", some_of(NAMES, SAMPLE))
def test_column_of_the_key(database: Database, name: str) -> None:
    run_through(database, database.build(at=models.DateTimeField(db_column=name)))


@pytest.mark.parametrize("kind", ["percent s", "reserved", "63 bytes of two", "apostrophe"])
def test_column_of_a_date_key(database: Database, kind: str) -> None:
    run_through(database, database.build(at=models.DateField(db_column=NAMES[kind])))


@pytest.mark.parametrize("name", some_of(NAMES, SAMPLE))
def test_index_foreign_key_and_unique_columns(database: Database, name: str) -> None:
    """All of these are compared by their definitions when a partition comes back."""
    column = database.connection.ops.quote_name(name)
    raft = database.build(
        number=models.IntegerField(db_column=name, unique=True, null=True),
        port_id=models.BigIntegerField(null=True),
    )
    database.execute(f"CREATE INDEX ON fleet_raft (({column} + 1), at DESC)")
    database.execute(
        f"ALTER TABLE fleet_raft ADD CONSTRAINT {column} FOREIGN KEY (port_id)"
        " REFERENCES fleet_port ON DELETE CASCADE"
    )
    run_through(database, raft, "unlink")
    database.configure(raft, keep_foreign_keys=True)
    log = database.logs(raft)[0]
    table = log.table_name
    raft.partitioning.detach_partition(log)
    for kind, query in {
        "CONSTRAINT": "SELECT conname FROM pg_constraint"
        " WHERE conrelid = %s::regclass AND contype IN ('u', 'f')",
        "INDEX": "SELECT relname FROM pg_index JOIN pg_class c ON c.oid = indexrelid"
        " WHERE indrelid = %s::regclass AND NOT indisunique",
    }.items():
        for found in database.query(query, table):
            quoted = '"{}"'.format(found.replace('"', '""'))
            database.execute(
                f"ALTER TABLE {table} DROP CONSTRAINT {quoted}"
                if kind == "CONSTRAINT"
                else f"DROP INDEX {quoted}"
            )
    raft.partitioning.attach_partition(log)
    assert database.one(
        "SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass AND indisvalid", table
    ) == database.one("SELECT count(*) FROM pg_index WHERE indrelid = 'fleet_raft'::regclass")
    port = Port.objects.create(name="Lisbon")
    database.execute(f"INSERT INTO fleet_raft (at, port_id) VALUES ('2024-02-05', {port.pk})")


@pytest.mark.parametrize("name", ['fleet yard"."The Rafts', '"fleet yard"."5% o\'clock"'])
def test_table_in_a_schema(database: Database, name: str) -> None:
    raft = database.build(db_table=name)
    run_through(database, raft)
    assert {row.schema_name for row in database.logs(raft)} == {"fleet yard"}


def test_the_same_table_in_two_schemas(database: Database) -> None:
    one = database.build(db_table="fleet_raft")
    other = database.build(db_table='fleet yard"."fleet_raft')
    one.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
    assert database.ranges(other) == []
    assert len(database.ranges(one)) == 1


def test_a_table_that_search_path_finds(database: Database) -> None:
    database.build(db_table='fleet yard"."fleet_raft')
    database.execute('SET search_path TO "fleet yard", public')
    database.execute("DROP TABLE fleet_raft")
    raft = database.build(db_table="fleet_raft")
    raft.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
    assert database.logs(raft)[0].schema_name == "fleet yard"
    assert database.maintain(raft, "2024-01-15").outcome == "done"


def test_a_shadow_of_the_catalog_in_search_path_misleads_nobody(database: Database) -> None:
    raft = database.build()
    database.execute('CREATE TABLE "fleet yard".pg_class (relname text)')
    database.execute('CREATE TABLE "fleet yard".pg_inherits (inhrelid oid)')
    database.execute('SET search_path TO "fleet yard", public, pg_catalog')
    raft.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
    database.execute("SET search_path TO DEFAULT")
    assert database.ranges(raft) == [("2024-01-01", "2024-02-01")]


def test_two_long_names_that_begin_alike_do_not_collide(database: Database) -> None:
    one = database.build(db_table="n" * 62 + "1")
    other = database.build(db_table="n" * 62 + "2")
    for raft in (one, other):
        raft.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
    assert not set(database.children(one)) & set(database.children(other))
    assert len(database.children(one)) == len(database.children(other)) == 1


def test_a_partition_that_a_person_named_oddly(database: Database) -> None:
    raft = database.build()
    name = 'it\'s "5%s" {x} Größe'
    quoted = '"it\'s ""5%s"" {x} Größe"'
    database.execute(
        f"CREATE TABLE {quoted} PARTITION OF fleet_raft"
        " FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2024-02-01 00:00+00')"
    )
    database.maintain(raft, "2024-01-15")
    log = database.log(raft, "2024-01-01")
    assert log.table_name == name
    for _ in range(2):
        raft.partitioning.detach_partition(log)
        raft.partitioning.attach_partition(log)
    raft.partitioning.detach_partition(log)
    raft.partitioning.delete_partition(log)
    assert not database.exists(quoted)


def test_tablespaces_with_odd_names(database: Database, tablespaces: Tablespaces) -> None:
    raft = database.build(number=models.IntegerField(unique=True, null=True))
    database.configure(
        raft, attach_tablespace=tablespaces.odd, detach_tablespace=tablespaces.cold, interval=1
    )
    raft.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
    (log,) = database.logs(raft)
    assert database.tablespaces(log.table_name) == {tablespaces.odd}
    raft.partitioning.detach_partition(log)
    assert database.tablespaces(log.table_name) == {tablespaces.cold}
    raft.partitioning.move_partition(log, tablespaces.odd)
    assert database.tablespaces(log.table_name) == {tablespaces.odd}
    raft.partitioning.attach_partition(log)
    assert database.tablespaces(log.table_name) == {tablespaces.odd}
    assert database.maintain(raft, "2024-01-15").outcome == "done"
    assert {
        name for row in database.logs(raft) for name in database.tablespaces(row.table_name)
    } == {tablespaces.odd}


def test_an_odd_name_of_a_tablespace_that_is_not_there(database: Database) -> None:
    raft = database.build()
    raft.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
    with pytest.raises(OperationFailed, match="There is no tablespace named"):
        raft.partitioning.move_partition(
            database.logs(raft)[0], "o'\"; DROP TABLE fleet_raft; --%s"
        )
    assert database.exists("fleet_raft")


def test_a_model_in_a_schema_of_its_own_is_maintained_by_its_label(database: Database) -> None:
    maintain("fleet.mooring", now=at("2024-05-15"))
    assert sorted(database.children(Mooring)) == [
        "The Moorings_20240501_20240601",
        "The Moorings_20240601_20240701",
    ]
    Mooring.objects.create(at=at("2024-05-15"))
    log = database.log(Mooring, "2024-05-01")
    log.detach()
    assert Mooring.objects.count() == 0
    log.attach()
    assert Mooring.objects.count() == 1
    log.truncate()
    log.detach()
    log.delete()
    assert len(database.logs(Mooring)) == 1
    assert reconcile("fleet.mooring").outcome == "unchanged"
