"""Identifiers that need care, in every place where a migration writes them."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import migrations, models

from tests.support.migration_operations import Laboratory, create

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)


@pytest.fixture
def lab() -> Laboratory:
    return Laboratory()


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
def test_column_of_the_key(lab: Laboratory, name: str) -> None:
    key = models.DateTimeField(db_column=name)
    code = models.CharField(max_length=9, unique=True)
    lab.run(create("Reading", ("at", key), ("code", code)))
    quoted = lab.query("SELECT quote_ident(%s)", name.strip('"'))[0]
    assert lab.partition_key("lab_reading") == f"RANGE ({quoted})"
    assert lab.constraints("lab_reading") == {
        f"PRIMARY KEY (id, {quoted})",
        f"UNIQUE (code, {quoted})",
    }
    lab.run(
        migrations.AlterField("Reading", "code", models.CharField(max_length=9)),
        migrations.AddField("Reading", "level", models.IntegerField(default=5)),
    )
    assert lab.constraints("lab_reading") == {f"PRIMARY KEY (id, {quoted})"}
    lab.undo(3)
    assert lab.query("SELECT to_regclass('lab_reading')") == [None]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_table(lab: Laboratory, name: str) -> None:
    code = models.CharField(max_length=9)
    together = {("code", "id")}
    lab.run(create("Reading", ("code", code), db_table=name, unique_together=together))
    quoted = '"' + name.strip('"') + '"'
    assert lab.partition_key(quoted) == "RANGE (at)"
    lab.run(
        migrations.AddField("Reading", "level", models.IntegerField(default=5, unique=True)),
        migrations.AlterModelTable("Reading", "elsewhere"),
    )
    assert lab.constraints("elsewhere", "u") == {"UNIQUE (code, id, at)", "UNIQUE (level, at)"}
    lab.undo(3)
    assert lab.query("SELECT to_regclass(%s)", quoted) == [None]


@pytest.mark.parametrize("name", ['lab space"."The Readings', '"lab space"."The Readings"'])
def test_table_in_a_schema(lab: Laboratory, name: str) -> None:
    lab.execute('CREATE SCHEMA "lab space"')
    code = models.CharField(max_length=9, unique=True, db_index=True)
    lab.run(create("Reading", ("code", code), db_table=name))
    table = '"lab space"."The Readings"'
    assert lab.partition_key(table) == "RANGE (at)"
    assert lab.constraints(table) == {"PRIMARY KEY (id, at)", "UNIQUE (code, at)"}
    lab.run(migrations.AddField("Reading", "box", models.IntegerField(default=0, unique=True)))
    assert "UNIQUE (box, at)" in lab.constraints(table)
    lab.undo(2)
    assert lab.query("SELECT to_regclass(%s)", table) == [None]
