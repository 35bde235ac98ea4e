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
from tests.support.database import Tablespaces, Yard, at, outcomes

pytest_plugins = ("tests.support.database_fixtures",)

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


def run_through(yard: Yard, model: Any, *then: str) -> None:
    """Create, detach, attach, empty, detach by a pass, which does ``then`` too, and drop."""
    partitioning = model.partitioning
    partitioning.create_range(at("2024-01-01"), at("2024-03-01"))
    assert yard.ranges(model) == [("2024-01-01", "2024-02-01"), ("2024-02-01", "2024-03-01")]
    logs = yard.logs(model)
    assert {row.table_name for row in logs} == set(yard.children(model))
    assert all(len(row.table_name.encode()) <= 63 for row in logs)
    first = logs[0]
    partitioning.detach_partition(first)
    partitioning.attach_partition(first)
    assert len(yard.ranges(model)) == 2
    partitioning.truncate_all_partition()
    yard.configure(model, interval=1, premake=1)
    report = yard.maintain(model, "2024-03-15")
    expected = ["create", "create", "detach", *then]
    assert outcomes(report) == [(each, "done") for each in expected]
    assert yard.maintain(model, "2024-03-15").outcome == "unchanged"
    first.refresh_from_db()
    assert not first.is_attached
    partitioning.delete_partition(first)
    assert yard.ranges(model)[0] == ("2024-02-01", "2024-03-01")
    assert len(yard.logs(model)) == 3


@pytest.mark.parametrize("name", some_of(NAMES, SAMPLE))
def test_table(yard: Yard, name: str) -> None:
    run_through(yard, yard.build(db_table=name, number=models.IntegerField(null=True)))


@pytest.mark.parametrize("name", some_of(NAMES, SAMPLE))
def test_column_of_the_key(yard: Yard, name: str) -> None:
    run_through(yard, yard.build(at=models.DateTimeField(db_column=name)))


@pytest.mark.parametrize("kind", ["percent s", "reserved", "63 bytes of two", "apostrophe"])
def test_column_of_a_date_key(yard: Yard, kind: str) -> None:
    run_through(yard, yard.build(at=models.DateField(db_column=NAMES[kind])))


@pytest.mark.parametrize("name", some_of(NAMES, SAMPLE))
def test_index_foreign_key_and_unique_columns(yard: Yard, name: str) -> None:
    """All of these are compared by their definitions when a partition comes back."""
    column = yard.connection.ops.quote_name(name)
    raft = yard.build(
        number=models.IntegerField(db_column=name, unique=True, null=True),
        port_id=models.BigIntegerField(null=True),
    )
    yard.execute(f"CREATE INDEX ON fleet_raft (({column} + 1), at DESC)")
    yard.execute(
        f"ALTER TABLE fleet_raft ADD CONSTRAINT {column} FOREIGN KEY (port_id)"
        " REFERENCES fleet_port ON DELETE CASCADE"
    )
    run_through(yard, raft, "unlink")
    yard.configure(raft, keep_foreign_keys=True)
    log = yard.logs(raft)[0]
    table = log.table_name
    raft.partitioning.detach_partition(log)
    for kind, query in {
        "CONSTRAINT": "SELECT conname FROM pg_constraint"
        " WHERE conrelid = %s::regclass AND contype IN ('u', 'f')",
        "INDEX": "SELECT relname FROM pg_index JOIN pg_class c ON c.oid = indexrelid"
        " WHERE indrelid = %s::regclass AND NOT indisunique",
    }.items():
        for found in yard.query(query, table):
            quoted = '"{}"'.format(found.replace('"', '""'))
            yard.execute(
                f"ALTER TABLE {table} DROP CONSTRAINT {quoted}"
                if kind == "CONSTRAINT"
                else f"DROP INDEX {quoted}"
            )
    raft.partitioning.attach_partition(log)
    assert yard.one(
        "SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass AND indisvalid", table
    ) == yard.one("SELECT count(*) FROM pg_index WHERE indrelid = 'fleet_raft'::regclass")
    port = Port.objects.create(name="Lisbon")
    yard.execute(f"INSERT INTO fleet_raft (at, port_id) VALUES ('2024-02-05', {port.pk})")


@pytest.mark.parametrize("name", ['fleet yard"."The Rafts', '"fleet yard"."5% o\'clock"'])
def test_table_in_a_schema(yard: Yard, name: str) -> None:
    raft = yard.build(db_table=name)
    run_through(yard, raft)
    assert {row.schema_name for row in yard.logs(raft)} == {"fleet yard"}


def test_the_same_table_in_two_schemas(yard: Yard) -> None:
    one = yard.build(db_table="fleet_raft")
    other = yard.build(db_table='fleet yard"."fleet_raft')
    one.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
    assert yard.ranges(other) == []
    assert len(yard.ranges(one)) == 1


def test_a_table_that_search_path_finds(yard: Yard) -> None:
    yard.build(db_table='fleet yard"."fleet_raft')
    yard.execute('SET search_path TO "fleet yard", public')
    yard.execute("DROP TABLE fleet_raft")
    raft = yard.build(db_table="fleet_raft")
    raft.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
    assert yard.logs(raft)[0].schema_name == "fleet yard"
    assert yard.maintain(raft, "2024-01-15").outcome == "done"


def test_a_shadow_of_the_catalog_in_search_path_misleads_nobody(yard: Yard) -> None:
    raft = yard.build()
    yard.execute('CREATE TABLE "fleet yard".pg_class (relname text)')
    yard.execute('CREATE TABLE "fleet yard".pg_inherits (inhrelid oid)')
    yard.execute('SET search_path TO "fleet yard", public, pg_catalog')
    raft.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
    yard.execute("SET search_path TO DEFAULT")
    assert yard.ranges(raft) == [("2024-01-01", "2024-02-01")]


def test_two_long_names_that_begin_alike_do_not_collide(yard: Yard) -> None:
    one = yard.build(db_table="n" * 62 + "1")
    other = yard.build(db_table="n" * 62 + "2")
    for raft in (one, other):
        raft.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
    assert not set(yard.children(one)) & set(yard.children(other))
    assert len(yard.children(one)) == len(yard.children(other)) == 1


def test_a_partition_that_a_person_named_oddly(yard: Yard) -> None:
    raft = yard.build()
    name = 'it\'s "5%s" {x} Größe'
    quoted = '"it\'s ""5%s"" {x} Größe"'
    yard.execute(
        f"CREATE TABLE {quoted} PARTITION OF fleet_raft"
        " FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2024-02-01 00:00+00')"
    )
    yard.maintain(raft, "2024-01-15")
    log = yard.log(raft, "2024-01-01")
    assert log.table_name == name
    for _ in range(2):
        raft.partitioning.detach_partition(log)
        raft.partitioning.attach_partition(log)
    raft.partitioning.detach_partition(log)
    raft.partitioning.delete_partition(log)
    assert not yard.exists(quoted)


def test_tablespaces_with_odd_names(yard: Yard, tablespaces: Tablespaces) -> None:
    raft = yard.build(number=models.IntegerField(unique=True, null=True))
    yard.configure(
        raft, attach_tablespace=tablespaces.odd, detach_tablespace=tablespaces.cold, interval=1
    )
    raft.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
    (log,) = yard.logs(raft)
    assert yard.tablespaces(log.table_name) == {tablespaces.odd}
    raft.partitioning.detach_partition(log)
    assert yard.tablespaces(log.table_name) == {tablespaces.cold}
    raft.partitioning.move_partition(log, tablespaces.odd)
    assert yard.tablespaces(log.table_name) == {tablespaces.odd}
    raft.partitioning.attach_partition(log)
    assert yard.tablespaces(log.table_name) == {tablespaces.odd}
    assert yard.maintain(raft, "2024-01-15").outcome == "done"
    assert {name for row in yard.logs(raft) for name in yard.tablespaces(row.table_name)} == {
        tablespaces.odd
    }


def test_an_odd_name_of_a_tablespace_that_is_not_there(yard: Yard) -> None:
    raft = yard.build()
    raft.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
    with pytest.raises(OperationFailed, match="There is no tablespace named"):
        raft.partitioning.move_partition(yard.logs(raft)[0], "o'\"; DROP TABLE fleet_raft; --%s")
    assert yard.exists("fleet_raft")


def test_a_model_in_a_schema_of_its_own_is_maintained_by_its_label(yard: Yard) -> None:
    maintain("fleet.mooring", now=at("2024-05-15"))
    assert sorted(yard.children(Mooring)) == [
        "The Moorings_20240501_20240601",
        "The Moorings_20240601_20240701",
    ]
    Mooring.objects.create(at=at("2024-05-15"))
    log = yard.log(Mooring, "2024-05-01")
    log.detach()
    assert Mooring.objects.count() == 0
    log.attach()
    assert Mooring.objects.count() == 1
    log.truncate()
    log.detach()
    log.delete()
    assert len(yard.logs(Mooring)) == 1
    assert reconcile("fleet.mooring").outcome == "unchanged"
