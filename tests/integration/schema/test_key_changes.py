"""Keys of a partitioned table that move about: other fields, other names, many-to-many."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import migrations, models

from tests.support.migration_operations import MigrationRunner, create

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)
PRIMARY = "PRIMARY KEY (id, at)"
# Older servers refuse to add an identity column to a table that has partitions.
IDENTITY_CAN_BE_ADDED = 170000
UNIQUE_NAMES = "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'u'"


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


@pytest.mark.parametrize("first", ["field", "together"])
def test_unique_twice_on_the_same_columns(runner: MigrationRunner, first: str) -> None:
    """Whichever declaration goes first, the other one still holds."""
    box = models.IntegerField(unique=True)
    runner.run(create("Tick", ("box", box), unique_together={("box", "at")}))
    assert len(runner.query(UNIQUE_NAMES, "lab_tick")) == 2
    removals = [
        migrations.AlterField("Tick", "box", models.IntegerField()),
        migrations.AlterUniqueTogether("Tick", set()),
    ]
    for count, removal in enumerate(removals if first == "field" else reversed(removals), 1):
        runner.run(removal)
        assert len(runner.query(UNIQUE_NAMES, "lab_tick")) == 2 - count


def test_another_primary_key(runner: MigrationRunner) -> None:
    runner.run(
        migrations.RemoveField("Reading", "id"),
        migrations.AlterField("Reading", *code(primary_key=True)),
    )
    assert runner.constraints("lab_reading") == {"PRIMARY KEY (code, at)"}
    if runner.connection.pg_version >= IDENTITY_CAN_BE_ADDED:
        runner.undo(2)
        assert runner.constraints("lab_reading") == {PRIMARY}


def test_the_partition_key_becomes_the_primary_key(runner: MigrationRunner) -> None:
    runner.run(
        migrations.RemoveField("Reading", "id"),
        migrations.AlterField("Reading", "at", models.DateTimeField(primary_key=True)),
    )
    assert runner.constraints("lab_reading") == {"PRIMARY KEY (at)"}


def test_a_new_primary_key_field(runner: MigrationRunner) -> None:
    runner.run(
        create("Tick", ("name", models.CharField(max_length=9))),
        migrations.RemoveField("Tick", "id"),
        migrations.AddField("Tick", "serial", models.IntegerField(primary_key=True, default=0)),
    )
    assert runner.constraints("lab_tick") == {"PRIMARY KEY (serial, at)"}


def test_renaming_the_model(runner: MigrationRunner) -> None:
    runner.run(
        migrations.RenameModel("Reading", "Sample"),
        migrations.AlterField("Sample", *code(unique=True)),
    )
    assert runner.constraints("lab_sample") == {PRIMARY, "UNIQUE (code, at)"}
    runner.undo(2)
    assert runner.constraints("lab_reading") == {PRIMARY}


def test_many_to_many_both_ways(runner: MigrationRunner) -> None:
    out = models.ManyToManyField("lab.Sensor", db_constraint=False, related_name="+")
    back = models.ManyToManyField("lab.Reading", db_constraint=False, related_name="+")
    runner.run(
        migrations.AddField("Reading", "sensors", out),
        migrations.AddField("Sensor", "readings", back),
    )
    reading = runner.model("Reading").objects.get()
    sensor = runner.model("Sensor").objects.create(at=NOON)
    reading.sensors.add(sensor)
    sensor.readings.add(reading)
    assert list(sensor.readings.all()) == [reading]
    runner.connection.check_constraints()
    runner.undo(2)
    assert runner.query("SELECT to_regclass('lab_reading_sensors')") == [None]
