"""Identifiers that need care, in every place where a migration writes them."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import migrations, models

from tests.support.migration_operations import MigrationRunner, create

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)


@pytest.fixture
def runner() -> MigrationRunner:
    return MigrationRunner()


NAMES = {
    "capitals": "MixedCase",
    "space": "with space",
    "percent": "rate 5%",
    "percent before a letter": "5%tax",
    "reserved": "select",
    "non-ascii": "Größe_время",
    "63 bytes": "n" * 63,
    "63 bytes of two": "я" * 31 + "n",
    "apostrophe": "o'clock",
    "quoted by hand": '"Quoted"',
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_column_of_the_key(runner: MigrationRunner, name: str) -> None:
    key = models.DateTimeField(db_column=name)
    code = models.CharField(max_length=9, unique=True)
    runner.run(create("Reading", ("at", key), ("code", code)))
    quoted = runner.query("SELECT quote_ident(%s)", name.strip('"'))[0]
    assert runner.partition_key("lab_reading") == f"RANGE ({quoted})"
    assert runner.constraints("lab_reading") == {
        f"PRIMARY KEY (id, {quoted})",
        f"UNIQUE (code, {quoted})",
    }
    runner.run(
        migrations.AlterField("Reading", "code", models.CharField(max_length=9)),
        migrations.AddField("Reading", "level", models.IntegerField(default=5)),
    )
    assert runner.constraints("lab_reading") == {f"PRIMARY KEY (id, {quoted})"}
    runner.undo(3)
    assert runner.query("SELECT to_regclass('lab_reading')") == [None]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_table(runner: MigrationRunner, name: str) -> None:
    code = models.CharField(max_length=9)
    together = {("code", "id")}
    runner.run(create("Reading", ("code", code), db_table=name, unique_together=together))
    quoted = '"' + name.strip('"') + '"'
    assert runner.partition_key(quoted) == "RANGE (at)"
    runner.run(
        migrations.AddField("Reading", "level", models.IntegerField(default=5, unique=True)),
        migrations.AlterModelTable("Reading", "elsewhere"),
    )
    assert runner.constraints("elsewhere", "u") == {"UNIQUE (code, id, at)", "UNIQUE (level, at)"}
    runner.undo(3)
    assert runner.query("SELECT to_regclass(%s)", quoted) == [None]


@pytest.mark.parametrize("name", ['lab space"."The Readings', '"lab space"."The Readings"'])
def test_table_in_a_schema(runner: MigrationRunner, name: str) -> None:
    runner.execute('CREATE SCHEMA "lab space"')
    code = models.CharField(max_length=9, unique=True, db_index=True)
    runner.run(create("Reading", ("code", code), db_table=name))
    table = '"lab space"."The Readings"'
    assert runner.partition_key(table) == "RANGE (at)"
    assert runner.constraints(table) == {"PRIMARY KEY (id, at)", "UNIQUE (code, at)"}
    runner.run(migrations.AddField("Reading", "box", models.IntegerField(default=0, unique=True)))
    assert "UNIQUE (box, at)" in runner.constraints(table)
    runner.undo(2)
    assert runner.query("SELECT to_regclass(%s)", table) == [None]
