"""A declaration on a table that is not partitioned changes nothing; dropping a partitioned one."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

import pytest
from django.db import connection, migrations, models
from django.db.migrations.operations.base import Operation
from django.test.utils import CaptureQueriesContext

from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.tables import PartitionComment
from pg_timepart.postgres.table_comments import comment_text
from tests.support.migration_operations import MigrationRunner, create, partitioned_by

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)


@pytest.fixture
def runner() -> MigrationRunner:
    return MigrationRunner()


def code(**options: Any) -> tuple[str, models.Field[Any, Any]]:
    return "code", models.CharField(max_length=20, **options)


LATER: dict[str, list[Operation]] = {
    "alter": [migrations.AlterField("Reading", *code(unique=True))],
    "alter and back": [
        migrations.AlterField("Reading", *code(unique=True)),
        migrations.AlterField("Reading", *code()),
    ],
    "add": [migrations.AddField("Reading", "box", models.IntegerField(default=1, unique=True))],
    "primary": [migrations.AlterField("Reading", "id", models.IntegerField(primary_key=True))],
    "together": [migrations.AlterUniqueTogether("Reading", {("code", "id")})],
    "constraint": [
        migrations.AddConstraint("Reading", models.UniqueConstraint(fields=["code"], name="u"))
    ],
    "index": [
        migrations.AddConstraint(
            "Reading",
            models.UniqueConstraint(fields=["code"], include=["id"], name="u"),
        )
    ],
}


@pytest.mark.parametrize("together", [True, False], ids=["one migration", "later"])
@pytest.mark.parametrize("operations", LATER.values(), ids=LATER)
def test_operations_after_a_late_decorator_are_those_of_django(
    runner: MigrationRunner, operations: list[Operation], together: bool
) -> None:
    plain = MigrationRunner()
    plain.run(create("Reading", code(), key=None), *operations)
    expected = plain.constraints("lab_reading"), plain.indexes("lab_reading")
    plain.run(migrations.DeleteModel("Reading"))

    first = [
        create("Reading", code(), key=None),
        migrations.AlterModelManagers("Reading", partitioned_by("at")),
    ]
    if together:
        runner.run(*first, *operations)
    else:
        for operation in (*first, *operations):
            runner.run(operation)
    assert runner.partition_key("lab_reading") is None
    assert (runner.constraints("lab_reading"), runner.indexes("lab_reading")) == expected
    runner.undo(len(operations) + 2)
    assert runner.query("SELECT to_regclass('lab_reading')") == [None]


def test_a_late_decorator_changes_no_table(runner: MigrationRunner) -> None:
    runner.run(create("Reading", code(), key=None))
    assert runner.sql(migrations.AlterModelManagers("Reading", partitioned_by("at"))) == ""


def test_the_catalog_is_asked_once_a_migration(runner: MigrationRunner) -> None:
    runner.run(create("Reading", code()))
    operations = [
        migrations.AddField("Reading", f"box{number}", models.IntegerField(default=1, unique=True))
        for number in range(3)
    ]
    with CaptureQueriesContext(runner.connection) as captured:
        runner.run(*operations)
    assert len([each for each in captured if "pg_partitioned_table" in each["sql"]]) == 1


def test_models_that_declare_nothing_are_not_looked_up(runner: MigrationRunner) -> None:
    runner.run(create("Reading", code(), key=None))
    with CaptureQueriesContext(runner.connection) as captured:
        runner.run(
            migrations.AddField("Reading", "box", models.IntegerField(default=1, unique=True))
        )
    assert not [each for each in captured if "pg_partitioned_table" in each["sql"]]


@pytest.mark.parametrize("written", ["5%% off", "50%%", "%%s", "%%(name)s"])
def test_percent_signs_that_a_migration_doubled_itself_are_left_alone(written: str) -> None:
    with connection.schema_editor() as editor:
        editor.execute("CREATE TABLE lab_plain (note text)")
        editor.execute(f"COMMENT ON TABLE lab_plain IS '{written}'")
    with connection.cursor() as cursor:
        cursor.execute("SELECT obj_description('lab_plain'::regclass)")
        assert cursor.fetchone() == (written.replace("%%", "%"),)


def test_collected_statements_show_partitions(runner: MigrationRunner) -> None:
    shown = runner.sql(
        create("Reading", code()),
        migrations.RenameField("Reading", "at", "moment"),
        migrations.AlterField("Reading", *code(unique=True)),
        migrations.AlterModelManagers("Reading", partitioned_by("moment")),
        migrations.DeleteModel("Reading"),
    )
    assert 'PRIMARY KEY ("id", "at")) PARTITION BY RANGE ("at")' in shown
    assert 'UNIQUE ("code", "moment")' in shown
    assert 'DROP TABLE "lab_reading" CASCADE' in shown
    assert runner.query("SELECT to_regclass('lab_reading')") == [None]


def test_collected_statements_go_by_the_declaration(runner: MigrationRunner) -> None:
    unique = migrations.AlterField("Reading", *code(unique=True))
    runner.run(create("Reading", code(), key=None))
    assert 'UNIQUE ("code");' in runner.sql(unique)
    declared = migrations.AlterModelManagers("Reading", partitioned_by("at"))
    runner.run(declared)
    assert 'UNIQUE ("code", "at");' in runner.sql(unique)
    runner.run(migrations.RenameField("Reading", "at", "moment"))
    assert 'UNIQUE ("code");' in runner.sql(unique)


def test_a_table_without_rows_that_was_detached_goes_with_its_parent(
    runner: MigrationRunner, caplog: pytest.LogCaptureFixture
) -> None:
    runner.run(create("Reading", code()))
    for name, label in {
        'the "empty"': "lab.reading",
        "the full": "lab.reading",
        "of another": "lab.readings",
    }.items():
        _detached(runner, name, label)
    runner.execute("INSERT INTO \"the full\" VALUES (DEFAULT, now(), 'x')")
    with caplog.at_level(logging.WARNING, logger="pg_timepart"):
        runner.run(migrations.DeleteModel("Reading"))
    assert runner.query(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE ANY(%s) ORDER BY 1",
        ["the %", "of %"],
    ) == ["of another", "the full"]
    warned = (
        "The table of lab.Reading was dropped. "
        "These detached partitions of it hold rows and were kept: the full."
    )
    assert [record.getMessage() for record in caplog.records] == [warned]


def test_rows_that_row_security_may_hide_are_kept(
    runner: MigrationRunner, caplog: pytest.LogCaptureFixture
) -> None:
    runner.run(create("Reading", code()))
    _detached(runner, "hidden", "lab.reading")
    runner.execute("ALTER TABLE hidden FORCE ROW LEVEL SECURITY")
    with caplog.at_level(logging.WARNING, logger="pg_timepart"):
        runner.run(migrations.DeleteModel("Reading"))
    assert runner.query("SELECT to_regclass('hidden')") == ["hidden"]
    assert "hidden" in caplog.text


def test_collecting_drops_nothing(runner: MigrationRunner) -> None:
    runner.run(create("Reading", code()))
    _detached(runner, "spare", "lab.reading")
    shown = runner.sql(migrations.DeleteModel("Reading"))
    assert shown.splitlines() == ['DROP TABLE "lab_reading" CASCADE;']
    assert runner.query("SELECT to_regclass('spare')") == ["spare"]


def _detached(runner: MigrationRunner, name: str, label: str) -> None:
    bounds = Bounds(start=NOON, end=NOON + dt.timedelta(days=1))
    quoted = '"' + name.replace('"', '""') + '"'
    comment = comment_text(PartitionComment(label=label, bounds=bounds))
    runner.execute(f"CREATE TABLE {quoted} (LIKE lab_reading INCLUDING ALL)")
    runner.execute(f"COMMENT ON TABLE {quoted} IS '{comment}'")
