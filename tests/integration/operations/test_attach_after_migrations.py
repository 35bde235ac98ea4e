"""Attaching what was detached before the schema moved on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper
from django.test.utils import CaptureQueriesContext

from pg_timepart.errors import OperationFailed
from pg_timepart.maintenance.next_plan import dry_work
from pg_timepart.maintenance.preview import preview_plan
from pg_timepart.maintenance.target import target_of
from pg_timepart.models import PartitionLog
from pg_timepart.partitions.planner import plan_attach
from pg_timepart.status import status_of
from tests.apps.fleet.models import Ship
from tests.support.database import Database
from tests.support.processes import session

JANUARY = "fleet_raft_20240101_20240201"

Change = Callable[[Any, Any], None]


def raft(database: Database, **fields: Any) -> tuple[Any, PartitionLog]:
    """Return a model with a detached January that has a row, and an attached February."""
    columns = {"name": models.CharField(max_length=20), **fields}
    model = database.build(defaults={"default_period": "Month"}, **columns)
    database.cover(model, "2024-01-01", "2024-02-01", "2024-03-01")
    database.execute("INSERT INTO fleet_raft (at, name) VALUES ('2024-01-15', 'Argo')")
    log = database.log(model, "2024-01-01")
    model.partitioning.detach_partition(log)
    return model, log


def editing(database: Database, change: Change, model: Any) -> None:
    """Change the table by Django's schema editor, as migrate does."""
    with database.connection.schema_editor() as editor:
        change(editor, model)


def attach(model: Any, log: PartitionLog) -> Any:
    return model.partitioning.attach_partition(log)


def attach_fails(model: Any, log: PartitionLog) -> str:
    """Return what an attach that fails says; it changes nothing."""
    with pytest.raises(OperationFailed) as caught:
        attach(model, log)
    assert (log.is_attached, log.unfinished) == (False, "")
    return str(caught.value).partition(f"{JANUARY}: ")[2]


def field(name: str, kind: models.Field[Any, Any]) -> models.Field[Any, Any]:
    kind.set_attributes_from_name(name)
    return kind


def adding(name: str, kind: models.Field[Any, Any]) -> Change:
    return lambda editor, model: editor.add_field(model, field(name, kind))


def altering(name: str, kind: models.Field[Any, Any]) -> Change:
    def change(editor: Any, model: Any) -> None:
        editor.alter_field(model, model._meta.get_field(name), field(name, kind))

    return change


def removing(name: str) -> Change:
    return lambda editor, model: editor.remove_field(model, model._meta.get_field(name))


def constraint(name: str, condition: Q) -> models.CheckConstraint:
    return models.CheckConstraint(name=name, condition=condition)


def checking(name: str, condition: Q) -> Change:
    return lambda editor, model: editor.add_constraint(model, constraint(name, condition))


def generated() -> Any:
    return models.GeneratedField(
        expression=Upper("name"), output_field=models.CharField(max_length=20), db_persist=True
    )


def running(statement: str) -> Change:
    return lambda editor, _model: editor.execute(statement)


CREW = adding("crew", models.IntegerField(null=True))
FILLED = running("ALTER TABLE fleet_raft ADD COLUMN crew integer DEFAULT 3 NOT NULL")

SAFE: dict[str, Change] = {
    "a nullable column": CREW,
    "one with a default in the catalog": FILLED,
    "one that is generated": running(
        "ALTER TABLE fleet_raft ADD COLUMN loud text GENERATED ALWAYS AS (upper(name)) STORED"
    ),
    "a name that needs quotes": running("""ALTER TABLE fleet_raft ADD COLUMN "a ""b' 5%" int"""),
    "a collation": adding("word", models.CharField(max_length=9, null=True, db_collation="C")),
    "an indexed one": adding("crew", models.IntegerField(null=True, db_index=True)),
    "a foreign key": running("ALTER TABLE fleet_raft ADD COLUMN port bigint REFERENCES fleet_port"),
    "a CHECK": checking("named", ~Q(name="")),
    "a CHECK on a new column": running(
        "ALTER TABLE fleet_raft ADD COLUMN crew int, ADD CONSTRAINT manned CHECK (crew > 0)"
    ),
    "NOT NULL": running("ALTER TABLE fleet_raft ALTER COLUMN note SET NOT NULL"),
    "NULL again": running("ALTER TABLE fleet_raft ALTER COLUMN name DROP NOT NULL"),
    "an unverified CHECK": running(
        "ALTER TABLE fleet_raft ADD CONSTRAINT later CHECK (name <> 'Argo') NOT VALID"
    ),
}


@pytest.mark.parametrize("change", SAFE.values(), ids=SAFE)
def test_what_is_safe_is_brought_in_step(database: Database, change: Change) -> None:
    model, log = raft(database, note=models.TextField(null=True))
    database.execute(f"UPDATE {JANUARY} SET note = 'x'")
    editing(database, change, model)
    attach(model, log)
    database.execute("INSERT INTO fleet_raft (at, name, note) VALUES ('2024-01-16', 'Beagle', 'y')")
    assert database.query("SELECT name FROM fleet_raft ORDER BY at") == ["Argo", "Beagle"]
    assert not database.query(
        "SELECT conname FROM pg_constraint WHERE conrelid = %s AND contype = 'c'"
        " AND conname LIKE 'pg_timepart%%'",
        log.relid,
    )
    assert database.maintain(model, "2024-01-20").outcome in {"done", "unchanged"}


def test_a_default_of_the_catalog_is_what_its_rows_get(database: Database) -> None:
    model, log = raft(database)
    editing(database, FILLED, model)
    attach(model, log)
    assert database.query("SELECT crew FROM fleet_raft") == [3]


def test_a_check_with_another_condition_is_its_parents(database: Database) -> None:
    model, log = raft(database)
    database.execute(f"ALTER TABLE {JANUARY} ADD CONSTRAINT named CHECK (name <> 'Beagle')")
    editing(database, checking("named", ~Q(name="Cutty Sark")), model)
    report = attach(model, log)
    assert "It keeps" not in report.actions[0].detail
    database.execute("INSERT INTO fleet_raft (at, name) VALUES ('2024-01-16', 'Beagle')")


def test_a_check_that_the_parent_has_no_more_is_kept_and_told(database: Database) -> None:
    model, log = raft(database)
    database.execute(f"ALTER TABLE {JANUARY} ADD CONSTRAINT old CHECK (name <> 'Beagle')")
    report = attach(model, log)
    assert "It keeps the CHECK old, which the parent has not" in report.actions[0].detail
    assert "at_check" not in report.actions[0].detail


def test_rows_that_a_check_refuses_fail_it_and_are_there(database: Database) -> None:
    model, log = raft(database)
    editing(database, checking("named", ~Q(name="Argo")), model)
    for _ in range(2):
        assert 'check constraint "named"' in attach_fails(model, log)
    database.execute(f"UPDATE {JANUARY} SET name = 'Beagle'")
    attach(model, log)


def test_rows_without_a_value_fail_it_and_the_column_is_named(database: Database) -> None:
    model, log = raft(database, note=models.TextField(null=True))
    database.execute("ALTER TABLE fleet_raft ALTER COLUMN note SET NOT NULL")
    for _ in range(2):
        assert (
            f"The parent declares note NOT NULL: give the rows of {JANUARY} that have none a value,"
            " then attach it."
        ) in attach_fails(model, log)
    database.execute("ALTER TABLE fleet_raft ALTER COLUMN note DROP NOT NULL")
    attach(model, log)
    database.execute("INSERT INTO fleet_raft (at, name) VALUES ('2024-01-16', 'Beagle')")


QUOTED = f'"public"."{JANUARY}"'
UNSAFE: dict[str, tuple[Change, str, str]] = {
    "a column without a default": (
        adding("crew", models.IntegerField(default=7)),
        (
            f'it lacks the column "crew", integer NOT NULL and without a default: ALTER TABLE'
            f' {QUOTED} ADD COLUMN "crew" integer; UPDATE {QUOTED} SET "crew" = ...'
        ),
        f"ALTER TABLE {JANUARY} ADD COLUMN crew integer; UPDATE {JANUARY} SET crew = 7",
    ),
    "a removed column": (
        removing("name"),
        (
            'only it has the column "name" (character varying(20)): if it was removed, ALTER TABLE'
            f' {QUOTED} DROP COLUMN "name"'
        ),
        f"ALTER TABLE {JANUARY} DROP COLUMN name",
    ),
    "a renamed column": (
        altering("name", field("title", models.CharField(max_length=20))),
        (
            'only it has the column "name" (character varying(20)): if it was renamed, ALTER TABLE'
            f' {QUOTED} RENAME COLUMN "name" TO "title"; if it was removed, ALTER TABLE'
        ),
        f"ALTER TABLE {JANUARY} RENAME COLUMN name TO title",
    ),
    "another size": (
        altering("name", models.CharField(max_length=40)),
        (
            'the column "name" is character varying(20) there and character varying(40) in the'
            f' parent: ALTER TABLE {QUOTED} ALTER COLUMN "name" TYPE character varying(40)'
        ),
        f"ALTER TABLE {JANUARY} ALTER COLUMN name TYPE varchar(40)",
    ),
    "another type": (
        running("ALTER TABLE fleet_raft ALTER COLUMN name TYPE bytea USING name::bytea"),
        'the column "name" is character varying(20) there and bytea in the parent',
        f"ALTER TABLE {JANUARY} ALTER COLUMN name TYPE bytea USING name::bytea",
    ),
    "another collation": (
        running('ALTER TABLE fleet_raft ALTER COLUMN name TYPE varchar(20) COLLATE "C"'),
        'character varying(20) there and character varying(20) COLLATE pg_catalog."C" in',
        f'ALTER TABLE {JANUARY} ALTER COLUMN name TYPE varchar(20) COLLATE "C"',
    ),
    "no more generated": (
        running("ALTER TABLE fleet_raft ALTER COLUMN loud DROP EXPRESSION"),
        (
            'the column "loud" is generated there and not in the parent: ALTER TABLE'
            f' {QUOTED} ALTER COLUMN "loud" DROP EXPRESSION'
        ),
        f"ALTER TABLE {JANUARY} ALTER COLUMN loud DROP EXPRESSION",
    ),
    "generated by now": (
        running(
            "ALTER TABLE fleet_raft DROP COLUMN quiet,"
            " ADD COLUMN quiet text GENERATED ALWAYS AS (lower(name)) STORED"
        ),
        (
            'the column "quiet" is not generated there as in the parent: ALTER TABLE'
            f' {QUOTED} DROP COLUMN "quiet", and the attach adds it'
        ),
        f"ALTER TABLE {JANUARY} DROP COLUMN quiet",
    ),
}


@contextmanager
def unchanged(database: Database) -> Iterator[None]:
    """Run the block, which leaves the detached table's columns as they are."""
    query = (
        "SELECT attname, atttypid, attnotnull FROM pg_attribute WHERE attrelid = %s::regclass"
        " AND attnum > 0 ORDER BY attnum"
    )
    before = database.query(query, JANUARY)
    yield
    assert database.query(query, JANUARY) == before


@pytest.mark.parametrize(("change", "words", "remedy"), UNSAFE.values(), ids=UNSAFE)
def test_what_only_a_person_decides_is_named_with_its_sql_before_anything_is_done(
    database: Database, change: Change, words: str, remedy: str
) -> None:
    fields = {"loud": generated()} if '"loud"' in words else {}
    model, log = raft(database, quiet=models.TextField(null=True), **fields)
    editing(database, change, model)
    editing(database, adding("more", models.IntegerField(null=True)), model)
    with unchanged(database):
        said = attach_fails(model, log)
    assert said.startswith(f"{JANUARY} cannot be attached, since its columns are not its parent's")
    assert words in said
    for each in remedy.split("; "):
        database.execute(each)
    attach(model, log)
    assert database.one("SELECT count(*) FROM fleet_raft WHERE at = '2024-01-15'") == 1


def test_an_identity_of_its_own_is_named_where_the_server_refuses_it(database: Database) -> None:
    model, log = raft(database)
    database.execute(f"ALTER TABLE {JANUARY} ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY")
    if database.connection.pg_version < 170000:  # type: ignore[attr-defined]
        attach(model, log)
        return
    assert f'ALTER TABLE {QUOTED} ALTER COLUMN "id" DROP IDENTITY' in attach_fails(model, log)


def test_all_that_differs_is_named_at_once(database: Database) -> None:
    model, log = raft(database, note=models.TextField(null=True))
    editing(database, altering("name", models.CharField(max_length=40)), model)
    editing(database, removing("note"), model)
    said = attach_fails(model, log)
    assert '"name" is character varying(20) there' in said
    assert 'only it has the column "note" (text)' in said


def test_not_null_that_is_not_verified_or_not_inherited(database: Database) -> None:
    """Of 18 and later, where NOT NULL is a constraint; before, it is always both."""
    if database.connection.pg_version < 180000:  # type: ignore[attr-defined]
        pytest.skip("NOT NULL is a constraint from PostgreSQL 18 on")
    model, log = raft(database, note=models.TextField(null=True), word=models.TextField(null=True))
    database.execute(f"UPDATE {JANUARY} SET note = 'x', word = 'y'")
    database.execute(f"ALTER TABLE {JANUARY} ADD CONSTRAINT a NOT NULL note NOT VALID")
    database.execute(f"ALTER TABLE {JANUARY} ADD CONSTRAINT b NOT NULL word NO INHERIT")
    database.execute("ALTER TABLE fleet_raft ALTER note SET NOT NULL, ALTER word SET NOT NULL")
    attach(model, log)
    assert database.query(
        "SELECT DISTINCT convalidated, connoinherit FROM pg_constraint"
        " WHERE conrelid = %s AND contype = 'n'",
        log.relid,
    ) == [(True, False)]


def test_a_check_that_is_not_enforced(database: Database) -> None:
    if database.connection.pg_version < 180000:  # type: ignore[attr-defined]
        pytest.skip("NOT ENFORCED is there from PostgreSQL 18 on")
    model, log = raft(database)
    database.execute("ALTER TABLE fleet_raft ADD CONSTRAINT a CHECK (name = '') NOT ENFORCED")
    database.execute("ALTER TABLE fleet_raft ADD CONSTRAINT b CHECK (name <> '')")
    database.execute(f"ALTER TABLE {JANUARY} ADD CONSTRAINT b CHECK (name <> '') NOT ENFORCED")
    attach(model, log)
    assert database.query(
        "SELECT conname, conenforced FROM pg_constraint WHERE contype = 'c' AND conrelid = %s"
        " ORDER BY conname",
        log.relid,
    ) == [("a", False), ("b", True)]


def test_the_preview_shows_the_same_sql(database: Database) -> None:
    model, log = raft(database, note=models.TextField(null=True))
    database.execute(f"UPDATE {JANUARY} SET note = 'x'")
    database.execute("ALTER TABLE fleet_raft ALTER COLUMN note SET NOT NULL")
    for change in (CREW, SAFE["a CHECK"]):
        editing(database, change, model)
    work = dry_work(target_of(model))
    leaf = next(each for each in work.parent.detached if each.oid == log.relid)
    (shown,) = preview_plan(work, plan_attach(work.plan_input(), [(leaf, log.bounds)])).actions
    statements = [
        each
        for step in shown.steps
        for each in step.statements
        if not each.startswith(("BEGIN", "COMMIT", "SET LOCAL", "LOCK"))
    ]
    (done,) = attach(model, log).actions
    assert statements == list(done.statements)
    assert any("SET NOT NULL" in each for each in statements)


def test_the_preview_says_that_it_would_fail(database: Database) -> None:
    model, log = raft(database)
    editing(database, removing("name"), model)
    work = dry_work(target_of(model))
    leaf = next(each for each in work.parent.detached if each.oid == log.relid)
    (shown,) = preview_plan(work, plan_attach(work.plan_input(), [(leaf, log.bounds)])).actions
    assert shown.steps == ()
    assert shown.note.startswith(f"This would fail: {JANUARY} cannot be attached")


def test_one_that_was_interrupted_goes_on(database: Database) -> None:
    """Each state that a try that was killed leaves is brought in step by the next one."""
    model, log = raft(database, note=models.TextField(null=True))
    database.execute(f"UPDATE {JANUARY} SET note = 'x'")
    database.execute("ALTER TABLE fleet_raft ALTER COLUMN note SET NOT NULL")
    editing(database, checking("named", ~Q(name="")), model)
    work = dry_work(target_of(model))
    leaf = next(each for each in work.parent.detached if each.oid == log.relid)
    (shown,) = preview_plan(work, plan_attach(work.plan_input(), [(leaf, log.bounds)])).actions
    for number in range(len(shown.steps) - 1):
        for statement in shown.steps[number].statements:
            if statement.startswith(("ALTER", "CREATE")):
                database.execute(statement)
        again = dry_work(target_of(model))
        (left,) = preview_plan(again, plan_attach(again.plan_input(), [(leaf, log.bounds)])).actions
        assert len(left.steps) == len(shown.steps) - number - 1
    attach(model, log)


def test_status_tells_it_before_somebody_needs_the_partition(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    database.cover(Ship, "2024-01-01", "2024-02-01", "2024-03-01")
    Ship.partitioning.detach_partition(database.logs(Ship))
    assert status_of(Ship).notes == ()
    with CaptureQueriesContext(database.connection) as before:
        status_of(Ship)
    database.execute("ALTER TABLE fleet_ship_20240201_20240301 ADD COLUMN rig text")
    database.execute("ALTER TABLE fleet_ship_20240101_20240201 ADD COLUMN rig text")
    with CaptureQueriesContext(database.connection) as after:
        status = status_of(Ship)
    assert len(before) == len(after)
    (note,) = map(str, status.notes)
    assert note.startswith("2 of the detached partitions cannot be attached as they are, since")
    assert note.endswith(
        'Of fleet_ship_20240201_20240301: only it has the column "rig" (text): if it was removed,'
        ' ALTER TABLE "public"."fleet_ship_20240201_20240301" DROP COLUMN "rig".'
    )
    assert [bool(each["obstacles"]) for each in status.as_json()["partitions"]] == [True, True]
    with suppress(CommandError):  # no partition is left for now
        call_command("timepart", "status", "fleet.ship")
    told = capsys.readouterr().out
    assert "  note: 2 of the detached partitions cannot be attached as they are" in told
    assert told.count("cannot be attached as it is") == 2


def test_status_waits_for_nobody_who_has_the_tables_locked(database: Database) -> None:
    database.cover(Ship, "2024-01-01", "2024-02-01")
    Ship.partitioning.detach_partition(database.logs(Ship))
    database.execute("ALTER TABLE fleet_ship_20240101_20240201 ADD COLUMN rig text")
    with session("operator") as operator:
        operator.execute("BEGIN")
        operator.execute("LOCK TABLE fleet_ship_20240101_20240201")
        database.execute("SET lock_timeout = '100ms'")
        try:
            assert len(status_of(Ship).notes) == 1
        finally:
            database.execute("RESET lock_timeout")
        operator.execute("ROLLBACK")


def test_f_expressions_in_checks(database: Database) -> None:
    model, log = raft(
        database, low=models.IntegerField(null=True), high=models.IntegerField(null=True)
    )
    editing(database, checking("ordered", Q(low__lte=F("high"))), model)
    attach(model, log)
