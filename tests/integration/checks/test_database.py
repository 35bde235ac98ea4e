"""What the checks say with ``--database``, and of databases that cannot be partitioned."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, models
from django.db.utils import ConnectionHandler
from django.test import override_settings
from django.test.utils import isolate_apps

from pg_timepart import TimeRangePartitioningSupport
from pg_timepart.checks import check_databases
from pg_timepart.checks import models as model_checks
from pg_timepart.checks.databases import check_database, is_defective
from tests.apps.fleet.models import Port
from tests.apps.shop.models import Visit


def message_of(model: Any) -> Any:
    (message,) = check_database("default", [model])
    assert message.hint
    return message


def reading(key: str = "at", table: str = "lab_reading", **fields: Any) -> Any:
    """Return a decorated model of a table that a test makes."""
    with isolate_apps("tests.apps.shop"):
        meta = type("Meta", (), {"app_label": "shop", "db_table": table})
        body = {
            "__module__": __name__,
            "Meta": meta,
            "at": models.DateTimeField(),
            "day": models.DateField(db_column="on_day"),
            **fields,
        }
        return TimeRangePartitioningSupport(key)(type("Reading", (models.Model,), body))


def make(ending: str, *constraints: str) -> None:
    columns = ("id int", "at timestamptz", "on_day date", "code int", *filter(None, constraints))
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE lab_reading ({', '.join(columns)}) {ending}")


@pytest.mark.django_db
def test_the_shop_is_well_there() -> None:
    assert check_databases(databases=["default"]) == []
    call_command("check", databases=["default"])


def test_databases_that_are_not_named_are_not_asked() -> None:
    assert check_databases(databases=[]) == check_databases() == []


@pytest.mark.django_db
def test_a_table_that_is_not_made_yet_is_well() -> None:
    assert [*check_database("default", [reading()])] == []


@pytest.mark.django_db
def test_w012_table_is_not_partitioned() -> None:
    make("")
    message = message_of(reading())
    assert message.id == "pg_timepart.W012"
    assert message.msg == (
        "The table 'lab_reading' of shop.Reading in the database 'default' is not partitioned."
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("ending", "declared", "found"),
    [
        ("PARTITION BY RANGE (on_day)", "at", "RANGE (on_day)"),
        ("PARTITION BY LIST (at)", "at", "LIST (at)"),
        ("PARTITION BY RANGE (at, id)", "at", "RANGE (at, id)"),
        ("PARTITION BY RANGE ((on_day + 1))", "day", "RANGE (an expression)"),
    ],
)
def test_w013_partitioned_otherwise(ending: str, declared: str, found: str) -> None:
    make(ending)
    message = message_of(reading(declared))
    assert message.id == "pg_timepart.W013"
    assert found in message.msg


@pytest.mark.django_db
@pytest.mark.parametrize(("column", "key"), [("at", "at"), ("on_day", "day")])
def test_partitioned_as_declared(column: str, key: str) -> None:
    make(f"PARTITION BY RANGE ({column})", f"PRIMARY KEY ({column}, id)")
    assert [*check_database("default", [reading(key)])] == []


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["timestamp", "bigint"])
def test_w013_partitioned_by_a_column_of_another_type(kind: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE lab_reading (id int, at {kind}) PARTITION BY RANGE (at)")
    message = message_of(reading())
    assert message.id == "pg_timepart.W013"
    assert "neither date nor timestamp with time zone" in message.msg


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("constraint", "missing"),
    [
        ("", ["PRIMARY KEY (at, id)", "UNIQUE (at, code)"]),
        ("PRIMARY KEY (id, at)", ["UNIQUE (at, code)"]),
        ("UNIQUE (id, at), UNIQUE (code, at)", ["PRIMARY KEY (at, id)"]),
        ("PRIMARY KEY (at, id), UNIQUE (code, id, at)", ["UNIQUE (at, code)"]),
        ("PRIMARY KEY (at), UNIQUE (at) INCLUDE (id)", []),
    ],
)
def test_w021_a_table_that_was_taken_over(constraint: str, missing: list[str]) -> None:
    make("PARTITION BY RANGE (at)", constraint)
    found = [*check_database("default", [reading(code=models.IntegerField(unique=True))])]
    assert {each.id for each in found} <= {"pg_timepart.W021"}
    assert [each.msg.partition(" has no ")[2].partition(", which")[0] for each in found] == missing
    with connection.cursor() as cursor:
        for each in found:
            cursor.execute(str(each.hint).partition(", which")[0])
    assert [*check_database("default", [reading(code=models.IntegerField(unique=True))])] == []


@pytest.mark.django_db
def test_w021_foreign_keys_named_as_their_columns_are() -> None:
    """Django takes both names, and writes this one in its page on composite primary keys."""
    fields: dict[str, Any] = {
        "pk": models.CompositePrimaryKey("port_id", "at"),
        "port": models.ForeignKey(Port, models.CASCADE, db_column="Of port"),
    }
    model = reading(**fields)
    model._meta.unique_together = [("port_id", "day")]
    model._meta.constraints = [models.UniqueConstraint(fields=["port_id", "at"], name="once")]
    with connection.schema_editor() as editor:
        editor.create_model(model)
    assert [*check_database("default", [model])] == []
    model._meta.unique_together = [("port_id", "at")]
    with connection.schema_editor() as editor:
        editor.alter_unique_together(model, [("port_id", "day")], [("port_id", "at")])
    assert [*check_database("default", [model])] == []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(conname) FROM pg_constraint"
            " WHERE conrelid = 'lab_reading'::regclass AND contype = 'p'"
        )
        (primary,) = cursor.fetchone()
        cursor.execute(f"ALTER TABLE lab_reading DROP CONSTRAINT {primary}")
    (found,) = check_database("default", [model])
    assert found.hint == (
        'ALTER TABLE "lab_reading" ADD PRIMARY KEY ("Of port", "at"), which locks the table'
        " while it is built; or declare what the table has."
    )
    with connection.cursor() as cursor:
        cursor.execute(str(found.hint).partition(", which")[0])
    assert [*check_database("default", [model])] == []


@pytest.mark.django_db
def test_e010_server_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    copy: Any = connection.copy()
    monkeypatch.setattr(copy.features, "minimum_database_version", (99,))
    monkeypatch.setattr("django.db.backends.base.base.RAN_DB_VERSION_CHECK", set())
    monkeypatch.setattr("pg_timepart.checks.databases.connections", {"default": copy})
    message = message_of(Visit)
    assert message.id == "pg_timepart.E010"
    assert "PostgreSQL 99 or later is required" in message.msg


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (140013, True),
        (140014, False),
        (150008, True),
        (150009, False),
        (160004, True),
        (160005, False),
        (170000, True),
        (170001, False),
        (180000, False),
    ],
)
def test_w011_versions(version: int, expected: bool) -> None:
    assert is_defective(version) is expected


@pytest.mark.django_db
def test_w011_server_with_known_bugs(monkeypatch: pytest.MonkeyPatch) -> None:
    copy: Any = connection.copy()
    copy.__dict__["pg_version"] = 160004
    monkeypatch.setattr("pg_timepart.checks.databases.connections", {"default": copy})
    message, *_ = check_database("default", [Visit])
    copy.close()
    assert message.id == "pg_timepart.W011"
    assert message.msg.startswith("The server of the database 'default' is PostgreSQL 16.4,")
    assert message.hint == "Update it to 16.5 or newer; no dump is needed."


class ToFile:
    """Routes the shop to SQLite."""

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "file"


def test_e009_not_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    file = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    handler = ConnectionHandler({"default": file, "file": file})
    monkeypatch.setattr(model_checks, "connections", handler)
    monkeypatch.setattr("pg_timepart.checks.defaults.connections", handler)
    monkeypatch.setattr("pg_timepart.checks.databases.connections", handler)
    with override_settings(DATABASE_ROUTERS=[f"{__name__}.ToFile"]):
        (message,) = model_checks.check_model(Visit)
        assert check_databases(databases=["file", "default"]) == []
    assert message.id == "pg_timepart.E009"
    assert message.msg == "shop.Visit is partitioned, but its database 'file' is sqlite."


@pytest.mark.django_db
def test_a_late_decorator_does_not_keep_migrate_from_running() -> None:
    """Migrate stops at errors, of database checks too: what it is to change is a warning."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE shop_visit; CREATE TABLE shop_visit (id int)")
    call_command("migrate", plan=True, skip_checks=False, stdout=StringIO(), stderr=StringIO())
    assert [each.id for each in check_databases(databases=["default"])] == ["pg_timepart.W012"]
