"""Tables whose key is an id that holds its time: what migrations write, and what they make."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, migrations, models, transaction
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.graph import MigrationGraph
from django.db.migrations.operations.base import Operation
from django.db.migrations.optimizer import MigrationOptimizer
from django.db.migrations.questioner import MigrationQuestioner
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import MigrationWriter
from django.db.models.expressions import Func
from django.test.utils import isolate_apps

import pg_timepart
from pg_timepart import Snowflake, TimeRangePartitioningSupport, Uuid7
from pg_timepart.manager import TimeRangePartitioningManager
from tests.integration.schema.test_identifiers import NAMES
from tests.support.migration_operations import LABEL, MigrationRunner

pytestmark = pytest.mark.django_db

EPOCH = datetime(2015, 1, 1, 12, tzinfo=UTC)
CHAT = Snowflake(epoch=EPOCH, shift=22)
RECORDED = {
    "uuid7": ("uuid7", "key_format='uuid7'"),
    "uuid7 as an instance": (Uuid7(), "key_format='uuid7'"),
    "any version": (
        Uuid7(check_version=False),
        "key_format=pg_timepart.Uuid7(check_version=False)",
    ),
    "epoch_ms": ("epoch_ms", "key_format='epoch_ms'"),
    "ids of a chat": (CHAT, f"key_format=pg_timepart.Snowflake(epoch={EPOCH!r}, shift=22)"),
}


@pytest.fixture
def runner() -> MigrationRunner:
    return MigrationRunner()


def managers(key: str, key_format: Any) -> list[tuple[str, Any]]:
    """Return the managers that makemigrations records."""
    ours = TimeRangePartitioningManager(key, key_format=key_format)
    return [("objects", models.Manager()), ("partitioning", ours)]


def create(
    field: models.Field[Any, Any],
    *fields: tuple[str, Any],
    key_format: Any = "uuid7",
    **options: Any,
) -> migrations.CreateModel:
    """Return CreateModel whose primary key is the partition key."""
    return migrations.CreateModel(
        "Reading", [("id", field), *fields], options=options, managers=managers("id", key_format)
    )


def uuid7_field(**options: Any) -> models.Field[Any, Any]:
    return models.UUIDField(primary_key=True, default=pg_timepart.uuid7, **options)


@pytest.fixture
def isolated() -> Iterator[Any]:
    with isolate_apps("tests.apps.shop") as apps:
        yield apps


def decorated(field: models.Field[Any, Any], key_format: Any) -> type[models.Model]:
    meta = type("Meta", (), {"app_label": LABEL})
    body = {"__module__": __name__, "Meta": meta, "id": field}
    model = type("Reading", (models.Model,), body)
    return TimeRangePartitioningSupport("id", key_format=key_format)(model)


def detected(before: ProjectState, model: type[models.Model]) -> list[Any]:
    after = ProjectState()
    after.add_model(ModelState.from_model(model))
    asked = MigrationQuestioner({"ask_initial": True})
    return MigrationAutodetector(before, after, asked).changes(MigrationGraph()).get(LABEL, [])


@pytest.mark.parametrize(("key_format", "written"), RECORDED.values(), ids=RECORDED)
def test_migrations_record_the_format_and_know_it_again(
    isolated: Any, key_format: Any, written: str
) -> None:
    integer = models.BigIntegerField(primary_key=True)
    is_number = isinstance(key_format, Snowflake) or key_format == "epoch_ms"
    model = decorated(integer if is_number else uuid7_field(), key_format)
    (migration,) = detected(ProjectState(), model)
    text = MigrationWriter(migration, include_header=False).as_string()
    assert written in text
    assert is_number or "default=pg_timepart.uuid7" in text
    loaded: dict[str, Any] = {}
    exec(text, loaded)
    state = loaded["Migration"]("0001_initial", LABEL).mutate_state(ProjectState())
    assert detected(state, model) == []


def test_a_squash_keeps_the_last_format(runner: MigrationRunner) -> None:
    operations: list[Operation] = [
        create(uuid7_field(), key_format=Uuid7(check_version=False)),
        migrations.AlterModelManagers("Reading", managers("id", "uuid7")),
    ]
    (squashed,) = MigrationOptimizer().optimize(operations, LABEL)
    runner.run(squashed)
    assert checks_of(runner) != []


def test_a_format_that_changes_later_changes_no_table(runner: MigrationRunner) -> None:
    runner.run(create(uuid7_field(), key_format=Uuid7(check_version=False)))
    later = migrations.AlterModelManagers("Reading", managers("id", "uuid7"))
    assert runner.sql(later) == ""
    runner.run(later)
    assert checks_of(runner) == []
    runner.undo()


def checks_of(runner: MigrationRunner, table: str = "lab_reading") -> list[str]:
    return sorted(runner.constraints(table, "c"))


def test_the_sql_of_a_migration_shows_key_and_check(runner: MigrationRunner) -> None:
    shown = runner.sql(create(uuid7_field()))
    assert '"id" uuid NOT NULL PRIMARY KEY' in shown
    assert 'CONSTRAINT "lab_reading_id_time" CHECK (' in shown
    assert 'PARTITION BY RANGE ("id")' in shown


def test_the_primary_key_stays_and_other_declarations_are_widened(runner: MigrationRunner) -> None:
    runner.run(
        create(
            uuid7_field(),
            ("code", models.CharField(max_length=9, unique=True)),
            ("at", models.DateTimeField()),
            unique_together={("at", "code"), ("at", "id")},
        ),
        migrations.AddField("Reading", "level", models.IntegerField(default=5, unique=True)),
    )
    assert runner.constraints("lab_reading") == {
        "PRIMARY KEY (id)",
        "UNIQUE (code, id)",
        "UNIQUE (at, code, id)",
        "UNIQUE (at, id)",
        "UNIQUE (level, id)",
    }


def test_a_unique_key_beside_an_id_stays_unique(runner: MigrationRunner) -> None:
    fields: list[tuple[str, Any]] = [
        ("id", models.BigAutoField(primary_key=True)),
        ("uid", models.UUIDField(unique=True, default=pg_timepart.uuid7)),
    ]
    reading = models.ForeignKey("lab.Reading", models.CASCADE, to_field="uid")
    note: list[tuple[str, Any]] = [("reading", reading)]
    runner.run(
        migrations.CreateModel("Reading", fields, managers=managers("uid", "uuid7")),
        migrations.CreateModel("Note", note),
    )
    assert runner.constraints("lab_reading") == {"PRIMARY KEY (id, uid)", "UNIQUE (uid)"}
    (refers,) = runner.constraints("lab_note", "f")
    assert refers.startswith("FOREIGN KEY (reading_id) REFERENCES lab_reading(uid)")


def test_a_composite_primary_key_holds_the_key(runner: MigrationRunner) -> None:
    fields: list[tuple[str, Any]] = [
        ("pk", models.CompositePrimaryKey("box", "uid")),
        ("box", models.IntegerField()),
        ("uid", models.UUIDField(default=pg_timepart.uuid7)),
    ]
    runner.run(migrations.CreateModel("Reading", fields, managers=managers("uid", "uuid7")))
    assert runner.constraints("lab_reading") == {"PRIMARY KEY (box, uid)"}


@pytest.mark.parametrize("name", [*NAMES.values(), "{braces}"], ids=[*NAMES, "braces"])
def test_column_and_table_that_need_care(runner: MigrationRunner, name: str) -> None:
    runner.run(create(uuid7_field(db_column=name), db_table=name))
    quoted = '"' + name.strip('"') + '"'
    runner.cover(quoted)
    insert(quoted, pg_timepart.uuid7())
    refused(quoted, uuid4())
    runner.run(
        migrations.AlterField("Reading", "id", uuid7_field(db_column="other")),
        migrations.AlterModelTable("Reading", "elsewhere"),
    )
    refused("elsewhere", uuid4())
    assert "other" in checks_of(runner, "elsewhere")[0]
    assert checks_of(runner, "leaf") == checks_of(runner, "elsewhere")
    runner.undo(2)
    refused(quoted, uuid4())


def insert(table: str, value: Any) -> None:
    """Insert by hand: Django itself refuses some of these names."""
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} VALUES ('{value}')")


def refused(table: str, value: Any) -> None:
    with pytest.raises(IntegrityError, match="violates check constraint"), transaction.atomic():
        insert(table, value)


@pytest.mark.parametrize("name", ['lab space"."The Readings', '"lab space"."The Readings"'])
def test_a_table_in_a_schema(runner: MigrationRunner, name: str) -> None:
    runner.execute('CREATE SCHEMA "lab space"')
    runner.run(create(uuid7_field(), db_table=name))
    table = '"lab space"."The Readings"'
    runner.cover(table)
    assert len(checks_of(runner, table)) == 1
    refused(table, uuid4())


@pytest.mark.parametrize("key_format", ["epoch_s", "epoch_ms", "epoch_us", CHAT])
def test_numbers_below_zero_are_refused_also_by_a_default_partition(
    runner: MigrationRunner, key_format: Any
) -> None:
    runner.run(create(models.BigIntegerField(primary_key=True), key_format=key_format))
    runner.execute("CREATE TABLE rest PARTITION OF lab_reading DEFAULT")
    runner.model("Reading").objects.create(pk=0)
    refused("lab_reading", -1)


def test_the_server_makes_the_id(runner: MigrationRunner) -> None:
    if runner.connection.pg_version < 180_000:
        pytest.skip("uuidv7() comes with PostgreSQL 18")
    runner.run(
        create(
            models.UUIDField(primary_key=True, db_default=Func(function="uuidv7")),
            ("note", models.TextField(default="")),
        )
    )
    runner.cover("lab_reading")
    model = runner.model("Reading")
    first = model.objects.create(note="one")
    model.objects.bulk_create([model(note="two"), model(note="three")])
    rows = list(model.objects.order_by("pk"))
    assert [each.note for each in rows] == ["one", "two", "three"]
    assert first.pk == rows[0].pk
    assert {each.pk.version for each in rows} == {7}
