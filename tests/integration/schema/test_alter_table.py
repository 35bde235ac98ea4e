"""Each migration operation on a partitioned table, forwards and back."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import migrations, models
from django.db.migrations.operations.base import Operation

from tests.support.migration_operations import MigrationRunner, create, partitioned_by

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)
PRIMARY = "PRIMARY KEY (id, at)"


@pytest.fixture
def runner() -> MigrationRunner:
    """An application with a partitioned model that has a row, and a plain one to refer to."""
    runner = MigrationRunner()
    runner.run(create("Sensor", key=None), create("Reading", code()))
    runner.cover("lab_reading")
    runner.model("Reading").objects.create(at=NOON, code="7")
    return runner


def code(**options: Any) -> tuple[str, models.Field[Any, Any]]:
    return "code", models.CharField(max_length=20, **options)


def shape(runner: MigrationRunner) -> tuple[set[str], list[str], list[Any]]:
    """Everything about the table that an operation may change."""
    columns = runner.query(
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull, attidentity::text"
        " FROM pg_attribute WHERE attrelid = 'lab_reading'::regclass AND attnum > 0"
        " AND NOT attisdropped ORDER BY attname"
    )
    return runner.constraints("lab_reading", "pufcx"), runner.indexes("lab_reading"), columns


FORWARDS: dict[str, tuple[list[Operation], set[str]]] = {
    "unique on": (
        [migrations.AlterField("Reading", *code(unique=True))],
        {PRIMARY, "UNIQUE (code, at)"},
    ),
    "unique on and off": (
        [
            migrations.AlterField("Reading", *code(unique=True)),
            migrations.AlterField("Reading", *code()),
        ],
        {PRIMARY},
    ),
    "index, then unique": (
        [
            migrations.AlterField("Reading", *code(db_index=True)),
            migrations.AlterField("Reading", *code(unique=True)),
        ],
        {PRIMARY, "UNIQUE (code, at)"},
    ),
    "unique while declared together with the key": (
        [
            migrations.AlterUniqueTogether("Reading", {("code", "at")}),
            migrations.AlterField("Reading", *code(unique=True)),
            migrations.AlterField("Reading", *code()),
        ],
        {PRIMARY, "UNIQUE (code, at)"},
    ),
    "the same, after the table was renamed": (
        [
            migrations.AddField("Reading", "box", models.IntegerField(default=1, unique=True)),
            migrations.AlterUniqueTogether("Reading", {("box", "at")}),
            migrations.AlterModelTable("Reading", "elsewhere"),
            migrations.AlterField("Reading", "box", models.IntegerField(default=1)),
            migrations.AlterModelTable("Reading", "lab_reading"),
        ],
        {PRIMARY, "UNIQUE (box, at)"},
    ),
    "add a unique field": (
        [migrations.AddField("Reading", "box", models.IntegerField(default=1, unique=True))],
        {PRIMARY, "UNIQUE (box, at)"},
    ),
    "remove a unique field": (
        [
            migrations.AddField("Reading", "box", models.IntegerField(default=1, unique=True)),
            migrations.RemoveField("Reading", "box"),
        ],
        {PRIMARY},
    ),
    "type of the primary key": (
        [migrations.AlterField("Reading", "id", models.IntegerField(primary_key=True))],
        {PRIMARY},
    ),
    "identity of the primary key": (
        [
            migrations.AlterField("Reading", "id", models.BigIntegerField(primary_key=True)),
            migrations.AlterField("Reading", "id", models.AutoField(primary_key=True)),
        ],
        {PRIMARY},
    ),
    "unique together": (
        [migrations.AlterUniqueTogether("Reading", {("code", "id")})],
        {PRIMARY, "UNIQUE (code, id, at)"},
    ),
    "unique together with the key": (
        [migrations.AlterUniqueTogether("Reading", {("at", "code")})],
        {PRIMARY, "UNIQUE (at, code)"},
    ),
    "unique together of one": (
        [
            migrations.AddField("Reading", "box", models.IntegerField(default=1, unique=True)),
            migrations.AlterField("Reading", "box", models.IntegerField(default=1)),
            migrations.AlterUniqueTogether("Reading", {("box",)}),
        ],
        {PRIMARY, "UNIQUE (box, at)"},
    ),
    "constraint": (
        [
            migrations.AddConstraint(
                "Reading", models.UniqueConstraint(fields=["code"], name="reading_code")
            )
        ],
        {PRIMARY, "UNIQUE (code, at)"},
    ),
    "constraint gone": (
        [
            migrations.AddConstraint(
                "Reading", models.UniqueConstraint(fields=["code"], name="reading_code")
            ),
            migrations.RemoveConstraint("Reading", "reading_code"),
        ],
        {PRIMARY},
    ),
    "unique field beside a constraint": (
        [
            migrations.AddConstraint(
                "Reading", models.UniqueConstraint(fields=["code", "at"], name="reading_code")
            ),
            migrations.AlterField("Reading", *code(unique=True)),
            migrations.AlterField("Reading", *code()),
        ],
        {PRIMARY, "UNIQUE (code, at)"},
    ),
    "conditional constraint": (
        [
            migrations.AddConstraint(
                "Reading",
                models.UniqueConstraint(
                    fields=["code"], condition=models.Q(id__gt=3), name="reading_code"
                ),
            )
        ],
        {PRIMARY},
    ),
    "one to one": (
        [
            migrations.AddField(
                "Reading", "box", models.OneToOneField("lab.Sensor", models.CASCADE, null=True)
            )
        ],
        {PRIMARY, "UNIQUE (box_id, at)"},
    ),
    "column of the key": (
        [
            migrations.AlterField("Reading", "at", models.DateTimeField(db_column="moment")),
            migrations.AlterField("Reading", *code(unique=True)),
        ],
        {"PRIMARY KEY (id, moment)", "UNIQUE (code, moment)"},
    ),
    "key unique in a new column": (
        [
            migrations.AlterField(
                "Reading", "at", models.DateTimeField(db_column="moment", unique=True)
            )
        ],
        {"PRIMARY KEY (id, moment)", "UNIQUE (moment)"},
    ),
    "name of the key": (
        [
            migrations.RenameField("Reading", "at", "moment"),
            migrations.AlterModelManagers("Reading", partitioned_by("moment")),
            migrations.AlterField("Reading", *code(unique=True)),
        ],
        {"PRIMARY KEY (id, moment)", "UNIQUE (code, moment)"},
    ),
    "between the new name and its declaration": (
        [
            migrations.RenameField("Reading", "at", "moment"),
            migrations.AlterField("Reading", *code(unique=True)),
            migrations.AlterModelManagers("Reading", partitioned_by("moment")),
        ],
        {"PRIMARY KEY (id, moment)", "UNIQUE (code, moment)"},
    ),
    "null to a default": (
        [
            migrations.AlterField("Reading", *code(null=True)),
            migrations.AlterField("Reading", *code(default="x")),
        ],
        {PRIMARY},
    ),
    "checks, indexes and a foreign key": (
        [
            migrations.AddField("Reading", "level", models.PositiveIntegerField(default=1)),
            migrations.AddField(
                "Reading", "by", models.ForeignKey("lab.Sensor", models.CASCADE, null=True)
            ),
            migrations.AddIndex("Reading", models.Index(fields=["code", "-at"], name="recent")),
            migrations.RenameIndex("Reading", new_name="newest", old_name="recent"),
            migrations.AlterField("Reading", "level", models.IntegerField(default=1)),
            migrations.AlterField(
                "Reading",
                "by",
                models.ForeignKey("lab.Sensor", models.CASCADE, null=True, db_constraint=False),
            ),
        ],
        {PRIMARY},
    ),
    "generated and by default of the database": (
        [
            migrations.AddField("Reading", "level", models.IntegerField(db_default=4)),
            migrations.AddField(
                "Reading",
                "twice",
                models.GeneratedField(
                    expression=models.F("level") * 2,
                    output_field=models.IntegerField(),
                    db_persist=True,
                    unique=True,
                ),
            ),
        ],
        {PRIMARY, "UNIQUE (twice, at)"},
    ),
}


@pytest.mark.parametrize("together", [True, False], ids=["one migration", "one each"])
@pytest.mark.parametrize(("operations", "expected"), FORWARDS.values(), ids=FORWARDS)
def test_forwards_and_back(
    runner: MigrationRunner, operations: list[Operation], expected: set[str], together: bool
) -> None:
    before = shape(runner)
    if together:
        runner.run(*operations)
    else:
        for operation in operations:
            runner.run(operation)
    assert runner.constraints("lab_reading") == expected
    if together:
        runner.undo(len(operations))
    else:
        for _ in operations:
            runner.undo()
    assert shape(runner) == before
    assert [each.code for each in runner.model("Reading").objects.all()] == ["7"]
