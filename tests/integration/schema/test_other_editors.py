"""Another package's schema editor, with templates and statements of classes of its own."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections, migrations, models
from django.db.backends.ddl_references import Statement
from django.db.backends.postgresql.schema import DatabaseSchemaEditor as StockEditor

from pg_timepart.schema.editor import install
from tests.support.database import Database
from tests.support.migration_operations import MigrationRunner, create


class Bounded:
    """Text that is only to be had by who knows the class, as a template and as a statement."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts

    def __mod__(self, parts: Any) -> Bounded:
        return Bounded(*(each % parts for each in self.texts))

    def __str__(self) -> str:
        raise AssertionError("whoever asks for text takes it for a statement of Django's")


class OtherEditor(StockEditor):
    """Builds and drops indexes concurrently, which the server takes for plain tables only."""

    sql_create_table: Any = Bounded(StockEditor.sql_create_table)
    sql_delete_table: Any = Bounded(StockEditor.sql_delete_table)
    sql_alter_column: Any = Bounded(StockEditor.sql_alter_column)
    sql_create_index: Any = Bounded(StockEditor.sql_create_index_concurrently)
    sql_delete_index: Any = Bounded(StockEditor.sql_delete_index_concurrently)
    sql_create_unique: Any = Bounded(
        "CREATE UNIQUE INDEX CONCURRENTLY %(name)s ON %(table)s (%(columns)s)",
        "ALTER TABLE %(table)s ADD CONSTRAINT %(name)s UNIQUE USING INDEX %(name)s%(deferrable)s",
    )
    sql_create_fk: Any = Bounded(
        f"{StockEditor.sql_create_fk} NOT VALID",
        "ALTER TABLE %(table)s VALIDATE CONSTRAINT %(name)s",
    )
    sql_create_column_inline_fk: Any = None
    got: list[Any] = []

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "atomic": False})

    def execute(self, sql: Any, params: Any = ()) -> None:
        """Execute each of its texts."""
        self.got.append(sql)
        template: Any = getattr(sql, "template", None)
        if isinstance(template, Bounded):
            sql = template % sql.parts
        for each in sql.texts if isinstance(sql, Bounded) else [sql]:
            super().execute(each, params)


@pytest.fixture
def runner(database: Database, monkeypatch: pytest.MonkeyPatch) -> MigrationRunner:
    """A server whose backend is the other one."""
    monkeypatch.setattr(type(connections["default"]), "SchemaEditorClass", OtherEditor)
    OtherEditor.got.clear()
    return MigrationRunner()


CODE = ("code", models.CharField(max_length=9, unique=True))
NAME = ("name", models.CharField(max_length=9))
TOGETHER: dict[str, Any] = {"unique_together": {("code", "name")}}


def everything(key: str | None) -> list[Any]:
    """Return operations that build, change and drop indexes, constraints and columns."""
    sensor = models.ForeignKey("lab.Sensor", models.CASCADE, null=True)
    return [
        create("Sensor", key=None),
        create("Reading", CODE, NAME, key=key, indexes=[], **TOGETHER),
        migrations.AddField("Reading", "by", sensor),
        migrations.AddIndex("Reading", models.Index(fields=["name"], name="lab_by_name")),
        migrations.AlterField("Reading", "name", models.CharField(max_length=20, db_index=True)),
        migrations.AlterField("Reading", "name", models.CharField(max_length=20, null=True)),
        migrations.AlterUniqueTogether("Reading", set()),
        migrations.RemoveIndex("Reading", "lab_by_name"),
        migrations.RemoveField("Reading", "by"),
    ]


def run(runner: MigrationRunner, operations: list[Any]) -> list[tuple[str, str]]:
    """Run them one by one, and return of which classes the statements were that came."""
    OtherEditor.got.clear()
    for operation in operations:
        runner.run(operation)
    return [
        (type(each).__name__, type(getattr(each, "template", None)).__name__)
        for each in OtherEditor.got
    ]


def test_what_is_about_plain_tables_is_handed_on_as_it_is(runner: MigrationRunner) -> None:
    operations = [*everything(key=None), migrations.DeleteModel("Reading")]
    alone = run(runner, operations)
    runner.run(migrations.DeleteModel("Sensor"))
    install()
    assert run(runner, operations) == alone
    assert {("Bounded", "NoneType"), ("Statement", "Bounded")} <= {*alone}


def test_partitioned_tables_are_made_and_changed_in_words_that_the_server_takes(
    runner: MigrationRunner,
) -> None:
    install()
    run(runner, everything(key="at"))
    assert runner.partition_key("lab_reading") == "RANGE (at)"
    assert runner.constraints("lab_reading") == {"PRIMARY KEY (id, at)", "UNIQUE (code, at)"}
    assert not any("name" in each for each in runner.indexes("lab_reading"))


def test_foreign_keys_and_indexes_of_partitioned_tables_are_there(runner: MigrationRunner) -> None:
    install()
    run(runner, everything(key="at")[:5])
    assert len(runner.constraints("lab_reading", "f")) == 1
    assert [each for each in runner.indexes("lab_reading") if "(name" in each] == [
        "btree (name varchar_pattern_ops)",
        "btree (name)",
        "btree (name)",
    ]


def test_in_plain_text_nothing_is_changed_but_percent_signs(runner: MigrationRunner) -> None:
    install()
    with runner.connection.schema_editor() as editor:
        statement = Statement("SELECT %(what)s", what="1")
        editor.execute(statement)
        editor.execute(Statement("SELECT %(what)s", what="5 % 3"))
    assert OtherEditor.got[0] is statement
    assert OtherEditor.got[1] == "SELECT 5 %% 3"
