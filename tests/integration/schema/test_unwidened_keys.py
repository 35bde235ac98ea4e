"""Migration operations on a partitioned table whose keys are not widened."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, migrations, models
from django.db.migrations.operations.base import Operation

from tests.support.migration_operations import MigrationRunner, create

pytestmark = pytest.mark.django_db


@pytest.fixture
def runner() -> MigrationRunner:
    runner = MigrationRunner()
    runner.run(create("Reading", code(), widen_keys=False))
    runner.cover("lab_reading")
    return runner


def code(**options: Any) -> tuple[str, models.Field[Any, Any]]:
    return "code", models.CharField(max_length=20, **options)


@pytest.mark.parametrize(
    "operations",
    [
        [migrations.AlterField("Reading", *code(unique=True))],
        [migrations.AddField("Reading", "box", models.IntegerField(default=1, unique=True))],
        [migrations.AlterField("Reading", *code(primary_key=True))],
    ],
    ids=["alter", "add", "primary"],
)
def test_uniqueness_is_left_out(runner: MigrationRunner, operations: list[Operation]) -> None:
    runner.run(*operations)
    assert runner.constraints("lab_reading") == set()
    runner.undo(len(operations))
    assert runner.constraints("lab_reading") == set()


def test_an_added_primary_key_is_left_out(runner: MigrationRunner) -> None:
    number = models.IntegerField(primary_key=True)
    runner.run(
        migrations.RemoveField("Reading", "id"),
        migrations.AddField("Reading", "number", number),
    )
    assert runner.constraints("lab_reading") == set()


def test_uniqueness_of_the_key_stays(runner: MigrationRunner) -> None:
    runner.run(migrations.AlterField("Reading", "at", models.DateTimeField(unique=True)))
    assert runner.constraints("lab_reading") == {"UNIQUE (at)"}
    runner.undo()
    assert runner.constraints("lab_reading") == set()


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AlterUniqueTogether("Reading", {("code", "id")}),
        migrations.AddConstraint("Reading", models.UniqueConstraint(fields=["code"], name="u")),
    ],
    ids=["together", "constraint"],
)
def test_declarations_that_cannot_hold_are_refused_by_the_server(
    runner: MigrationRunner, operation: Operation
) -> None:
    with pytest.raises(DatabaseError, match="must include all partitioning columns"):
        runner.run(operation)
    assert runner.constraints("lab_reading") == set()
