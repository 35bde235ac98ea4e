"""Tablespaces of a partitioned model's table and indexes. They cannot be made in a transaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import migrations, models

from tests.settings import DATABASE_URL
from tests.support.database import Database
from tests.support.migration_operations import MigrationRunner, create
from tests.support.other_database import using_database
from tests.support.tablespaces import tablespaces_named


@pytest.fixture
def runner(database: Database) -> Iterator[MigrationRunner]:
    """A server with two tablespaces whose names need quotes."""
    runner = MigrationRunner()
    with tablespaces_named("lab_slow 5% ß", "lab_Fast"):
        yield runner
        if "reading" in {name for _, name in runner.state.models}:
            runner.run(migrations.DeleteModel("Reading"))


def test_table_and_indexes(runner: MigrationRunner) -> None:
    code = models.CharField(max_length=9, unique=True, db_tablespace="lab_Fast")
    name = models.CharField(max_length=9, db_index=True)
    runner.run(create("Reading", ("code", code), ("name", name), db_tablespace="lab_slow 5% ß"))
    assert runner.partition_key("lab_reading") == "RANGE (at)"
    assert runner.query(
        "SELECT spcname, array_agg(DISTINCT relkind::text ORDER BY relkind::text), count(*)"
        " FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace"
        " WHERE relname LIKE %s GROUP BY 1 ORDER BY 1",
        "lab_reading%",
    ) == [("lab_Fast", ["I"], 2), ("lab_slow 5% ß", ["I", "p"], 4)]


def test_moving_the_parent(runner: MigrationRunner) -> None:
    runner.run(create("Reading", db_tablespace="lab_Fast"))
    with runner.connection.schema_editor() as editor:
        editor.alter_db_tablespace(runner.model("Reading"), "lab_Fast", "lab_slow 5% ß")
    assert runner.query(
        "SELECT spcname FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace"
        " WHERE relname = 'lab_reading'"
    ) == ["lab_slow 5% ß"]


def home_of(runner: MigrationRunner) -> str:
    """Return the tablespace of the database, which the server's administrator may have chosen."""
    (name,) = runner.query(
        "SELECT spcname FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace"
        " WHERE datname = current_database()"
    )
    return str(name)


def elsewhere(runner: MigrationRunner, pattern: str) -> list[Any]:
    """Return what is not in the tablespace of the database."""
    return runner.query(
        "SELECT relname FROM pg_class WHERE relname LIKE %s AND reltablespace <> 0", pattern
    )


@pytest.fixture
def plain_runner(database: Database) -> MigrationRunner:
    """A server, and no tablespaces but its own."""
    return MigrationRunner()


@pytest.mark.parametrize("quotes", ["", '"'], ids=["bare", "quoted by hand"])
def test_the_database_s_own_tablespace_means_no_clause(
    plain_runner: MigrationRunner, quotes: str
) -> None:
    runner = plain_runner
    home = f"{quotes}{home_of(runner)}{quotes}"
    index = models.Index(fields=["at"], db_tablespace=home, name="lab_by_at")
    code = models.CharField(max_length=9, unique=True, db_tablespace=home)
    key = models.DateTimeField(unique=True, db_tablespace=home)
    runner.run(
        create("Reading", ("code", code), ("at", key), db_tablespace=home, indexes=[index]),
        migrations.AddField(
            "Reading", "name", models.CharField(max_length=9, unique=True, db_tablespace=home)
        ),
        migrations.AddField("Reading", "note", models.TextField(null=True)),
        migrations.AlterField(
            "Reading", "note", models.TextField(null=True, db_index=True, db_tablespace=home)
        ),
        migrations.AddIndex("Reading", models.Index("code", db_tablespace=home, name="lab_code")),
        migrations.AddConstraint(
            "Reading", models.UniqueConstraint("at", "code", name="lab_at_and_code")
        ),
    )
    assert runner.partition_key("lab_reading") == "RANGE (at)"
    assert len(runner.indexes("lab_reading")) >= 7
    assert elsewhere(runner, "lab\\_%") == []


@pytest.mark.parametrize("place", ["DEFAULT_TABLESPACE", "DEFAULT_INDEX_TABLESPACE"])
def test_it_may_be_named_in_the_settings(
    plain_runner: MigrationRunner, settings: Any, place: str
) -> None:
    setattr(settings, place, home_of(plain_runner))
    code = models.CharField(max_length=9, unique=True)
    plain_runner.run(
        create("Reading", ("code", code), indexes=[models.Index(fields=["at"], name="lab_by_at")])
    )
    assert plain_runner.constraints("lab_reading") == {"PRIMARY KEY (id, at)", "UNIQUE (code, at)"}


@pytest.mark.parametrize("atomic", [True, False], ids=["atomic", "not atomic"])
def test_the_session_s_default_may_name_it(
    plain_runner: MigrationRunner, monkeypatch: pytest.MonkeyPatch, atomic: bool
) -> None:
    runner = plain_runner
    monkeypatch.setattr(runner.connection.features, "can_rollback_ddl", atomic)
    runner.query("SELECT set_config('default_tablespace', %s, false)", home_of(runner))
    try:
        runner.run(create("Reading", ("code", models.CharField(max_length=9, unique=True))))
        runner.run(
            migrations.AddField("Reading", "box", models.IntegerField(unique=True, default=1))
        )
        assert "UNIQUE (box, at)" in runner.constraints("lab_reading")
        assert runner.query("SHOW default_tablespace") == [home_of(runner)]
    finally:
        runner.execute("RESET default_tablespace")


def test_plain_tables_keep_the_clause(plain_runner: MigrationRunner) -> None:
    home = home_of(plain_runner)
    sql = plain_runner.sql(create("Reading", key=None, db_tablespace=home))
    assert f'TABLESPACE "{home}"' in sql
    assert "TABLESPACE" not in plain_runner.sql(create("Reading", db_tablespace=home))


def test_it_is_the_one_of_the_database_whatever_its_name(runner: MigrationRunner) -> None:
    elsewhere_url = urlsplit(DATABASE_URL)._replace(path="/lab_elsewhere").geturl()
    runner.execute('CREATE DATABASE lab_elsewhere TABLESPACE "lab_Fast"')
    try:
        with using_database(elsewhere_url):
            runner.run(create("Reading", db_tablespace="lab_Fast"))
            assert elsewhere(runner, "lab\\_%") == []
            runner.run(create("Writing", db_tablespace="pg_default"))
            assert elsewhere(runner, "lab\\_writing%") == ["lab_writing", "lab_writing_pkey"]
    finally:
        runner.execute("DROP DATABASE lab_elsewhere")
        runner.state = runner.state.clone()
        runner.state.models.clear()
