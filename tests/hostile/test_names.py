"""Tables, schemas, columns, tablespaces and constraints of any name, through every operation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, models
from hypothesis import given, settings

from pg_timepart.maintenance.maintain import maintain
from tests.apps.fleet.models import Cargo, Port
from tests.hostile.quoting_check import always_quoted, canary, identifier
from tests.hostile.values import NAMES, identifiers
from tests.support.case_samples import some_of
from tests.support.command_line import timepart
from tests.support.database import Database, at
from tests.support.tablespaces import tablespaces_named

BOUNDS = "FROM ('2001-01-01 00:00+00') TO ('2001-02-01 00:00+00')"


@pytest.fixture(autouse=True)
def sings(database: Database) -> Iterator[None]:
    with canary(database):
        yield


def names_in(database: Database, kind: str) -> list[str]:
    return database.query("SELECT relname FROM pg_class WHERE relkind = %s AND relname <> ''", kind)


def through_its_life(database: Database, name: str, tablespace: str) -> None:
    """Take a partition of 2001, made by hand in a schema of the same name, through everything."""
    schema = identifier(name)
    table = f"{schema}.{schema}"
    database.execute(f"CREATE SCHEMA {schema}")
    database.execute(f"CREATE TABLE {table} PARTITION OF fleet_ship FOR VALUES {BOUNDS}")
    database.execute("INSERT INTO fleet_ship (sailed_at, name) VALUES ('2001-01-15', 'Argo')")
    with always_quoted():
        run("detach", f"--partition={name}")
        run("move", f"--partition={name}", f"--tablespace={tablespace}")
        run("attach", f"--partition={name}")
        run("reconcile")
        for shown in ("status", "plan"):
            assert timepart(shown, "fleet.ship", "--json").json
        run("detach", "--plain", f"--partition={name}")
        assert database.query(f"SELECT name FROM {table}") == ["Argo"]
        assert database.tablespaces(table) == {tablespace}
        run("drop", "--yes", f"--partition={name}")
    database.execute(f"DROP SCHEMA {schema}")


def run(operation: str, *words: str) -> None:
    """Run one command on the ships; it must end well."""
    ended = timepart(operation, "fleet.ship", *words)
    assert (ended.status, ended.error) == (0, ""), ended


@pytest.mark.parametrize("name", some_of({each: each for each in NAMES}, NAMES[::2]))
def test_a_partition_a_schema_and_a_tablespace_of_any_name(database: Database, name: str) -> None:
    maintain("fleet.ship")
    with tablespaces_named(name):
        through_its_life(database, name, tablespace=name)


@settings(settings.get_profile("hostile"))
@given(name=identifiers())
def test_names_that_nobody_thought_of(database: Database, name: str) -> None:
    maintain("fleet.ship")
    through_its_life(database, name, "pg_default")


@pytest.mark.parametrize("name", some_of({each: each for each in NAMES}, NAMES[::2]))
def test_constraints_and_indexes_of_any_name(database: Database, name: str) -> None:
    """What a detached table got by hand, and what an attach builds after its parent."""
    maintain("fleet.cargo")
    database.configure(Cargo, keep_foreign_keys=True)
    (log,) = database.cover(Cargo, "2001-01-01", "2001-02-01")[:1]
    port = Port.objects.create(name="Piraeus")
    Cargo.objects.create(loaded_at=at("2001-01-01"), port=port, code="a")
    log.detach()
    table, hostile = identifier(log.table_name), identifier(name)
    for kind in ("f", "p"):
        found = database.one(
            "SELECT quote_ident(conname) FROM pg_constraint"
            " WHERE conrelid = %s::regclass AND contype = %s",
            table,
            kind,
        )
        database.execute(f"ALTER TABLE {table} DROP CONSTRAINT {found}")
    database.execute(
        f"ALTER TABLE {table} ADD CONSTRAINT {hostile} FOREIGN KEY (port_id)"
        " REFERENCES fleet_port (id)"
    )
    log.attach()
    log.detach()
    with always_quoted():
        log.delete()
    assert log.table_name not in names_in(database, "r")


PARENTS = tuple(each for each in NAMES if '"' not in each)
"""Django itself takes a quote in a table's or column's name for a name that is quoted already."""


@pytest.mark.parametrize("name", some_of({each: each for each in PARENTS}, PARENTS[1::2]))
def test_a_table_by_a_uuid_of_any_name(database: Database, name: str) -> None:
    """Its CHECK of the version has the column in it, and so has the one of the bounds."""
    raft: Any = database.build(
        db_table=name,
        key="number",
        key_format="uuid7",
        at=models.DateTimeField(null=True),
        number=models.UUIDField(primary_key=True, db_column=name),
    )
    with always_quoted():
        assert database.maintain(raft, "2024-01-10").outcome == "done"
        (log, *_) = database.cover(raft, "2001-01-01", "2001-02-01")
        table = identifier(name)
        new = UUID(int=raft.partitioning.key_at(at("2001-01-15")).int | 7 << 76)
        database.execute(f"INSERT INTO {table} ({table}) VALUES ('{new}')")
        raft.partitioning.detach_partition(log)
        raft.partitioning.attach_partition(log)
        assert database.query(f"SELECT {table} FROM {table}") == [new]
    with pytest.raises(IntegrityError, match="violates check constraint"):
        database.execute(f"INSERT INTO {table} ({table}) VALUES ('{UUID(int=new.int ^ 3 << 76)}')")


@pytest.mark.parametrize("name", some_of({each: each for each in PARENTS}, PARENTS[::2]))
def test_a_table_and_its_columns_of_any_name(database: Database, name: str) -> None:
    raft: Any = database.build(
        db_table=name,
        key="at",
        at=models.DateTimeField(db_column=name),
        value=models.IntegerField(db_column=f"v{name}"[:40], db_index=True),
    )
    partitioning = raft.partitioning
    with always_quoted():
        report = database.maintain(raft, "2024-01-10")
        (log, *_) = database.cover(raft, "2001-01-01", "2001-02-01")
        table, column = identifier(name), identifier(f"v{name}"[:40])
        # Django's own INSERT takes neither % nor $ in a column's name.
        database.execute(f"INSERT INTO {table} ({table}, {column}) VALUES ('2001-01-15', 1)")
        partitioning.detach_partition(log)
        partitioning.move_partition(log, "pg_default")
        partitioning.attach_partition(log)
        assert database.one(f"SELECT count(*) FROM {table}") == 1
        partitioning.detach_partition(log, concurrently=False)
        partitioning.delete_partition(log)
    assert report.outcome == "done"
    assert database.one(f"SELECT count(*) FROM {table}") == 0
    assert log.table_name not in names_in(database, "r")
