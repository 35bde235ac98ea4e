"""Tablespaces of a partitioned model's table and indexes. They cannot be made in a transaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import migrations, models

from tests.settings import DATABASE_URL
from tests.support.database import Yard
from tests.support.migration_operations import Laboratory, create
from tests.support.other_database import aimed_at
from tests.support.tablespaces import tablespaces_named

pytest_plugins = ("tests.support.database_fixtures",)


@pytest.fixture
def lab(yard: Yard) -> Iterator[Laboratory]:
    """A server with two tablespaces whose names need quotes."""
    lab = Laboratory()
    with tablespaces_named("lab_slow 5% ß", "lab_Fast"):
        yield lab
        if "reading" in {name for _, name in lab.state.models}:
            lab.run(migrations.DeleteModel("Reading"))


def test_table_and_indexes(lab: Laboratory) -> None:
    code = models.CharField(max_length=9, unique=True, db_tablespace="lab_Fast")
    name = models.CharField(max_length=9, db_index=True)
    lab.run(create("Reading", ("code", code), ("name", name), db_tablespace="lab_slow 5% ß"))
    assert lab.partition_key("lab_reading") == "RANGE (at)"
    assert lab.query(
        "SELECT spcname, array_agg(DISTINCT relkind::text ORDER BY relkind::text), count(*)"
        " FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace"
        " WHERE relname LIKE %s GROUP BY 1 ORDER BY 1",
        "lab_reading%",
    ) == [("lab_Fast", ["I"], 2), ("lab_slow 5% ß", ["I", "p"], 4)]


def test_moving_the_parent(lab: Laboratory) -> None:
    lab.run(create("Reading", db_tablespace="lab_Fast"))
    with lab.connection.schema_editor() as editor:
        editor.alter_db_tablespace(lab.model("Reading"), "lab_Fast", "lab_slow 5% ß")
    assert lab.query(
        "SELECT spcname FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace"
        " WHERE relname = 'lab_reading'"
    ) == ["lab_slow 5% ß"]


def home_of(lab: Laboratory) -> str:
    """Return the tablespace of the database, which the server's administrator may have chosen."""
    (name,) = lab.query(
        "SELECT spcname FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace"
        " WHERE datname = current_database()"
    )
    return str(name)


def elsewhere(lab: Laboratory, pattern: str) -> list[Any]:
    """Return what is not in the tablespace of the database."""
    return lab.query(
        "SELECT relname FROM pg_class WHERE relname LIKE %s AND reltablespace <> 0", pattern
    )


@pytest.fixture
def plain_lab(yard: Yard) -> Laboratory:
    """A server, and no tablespaces but its own."""
    return Laboratory()


@pytest.mark.parametrize("quotes", ["", '"'], ids=["bare", "quoted by hand"])
def test_the_database_s_own_tablespace_means_no_clause(plain_lab: Laboratory, quotes: str) -> None:
    lab = plain_lab
    home = f"{quotes}{home_of(lab)}{quotes}"
    index = models.Index(fields=["at"], db_tablespace=home, name="lab_by_at")
    code = models.CharField(max_length=9, unique=True, db_tablespace=home)
    key = models.DateTimeField(unique=True, db_tablespace=home)
    lab.run(
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
    assert lab.partition_key("lab_reading") == "RANGE (at)"
    assert len(lab.indexes("lab_reading")) >= 7
    assert elsewhere(lab, "lab\\_%") == []


@pytest.mark.parametrize("place", ["DEFAULT_TABLESPACE", "DEFAULT_INDEX_TABLESPACE"])
def test_it_may_be_named_in_the_settings(plain_lab: Laboratory, settings: Any, place: str) -> None:
    setattr(settings, place, home_of(plain_lab))
    code = models.CharField(max_length=9, unique=True)
    plain_lab.run(
        create("Reading", ("code", code), indexes=[models.Index(fields=["at"], name="lab_by_at")])
    )
    assert plain_lab.constraints("lab_reading") == {"PRIMARY KEY (id, at)", "UNIQUE (code, at)"}


@pytest.mark.parametrize("atomic", [True, False], ids=["atomic", "not atomic"])
def test_the_session_s_default_may_name_it(
    plain_lab: Laboratory, monkeypatch: pytest.MonkeyPatch, atomic: bool
) -> None:
    lab = plain_lab
    monkeypatch.setattr(lab.connection.features, "can_rollback_ddl", atomic)
    lab.query("SELECT set_config('default_tablespace', %s, false)", home_of(lab))
    try:
        lab.run(create("Reading", ("code", models.CharField(max_length=9, unique=True))))
        lab.run(migrations.AddField("Reading", "box", models.IntegerField(unique=True, default=1)))
        assert "UNIQUE (box, at)" in lab.constraints("lab_reading")
        assert lab.query("SHOW default_tablespace") == [home_of(lab)]
    finally:
        lab.execute("RESET default_tablespace")


def test_plain_tables_keep_the_clause(plain_lab: Laboratory) -> None:
    home = home_of(plain_lab)
    sql = plain_lab.sql(create("Reading", key=None, db_tablespace=home))
    assert f'TABLESPACE "{home}"' in sql
    assert "TABLESPACE" not in plain_lab.sql(create("Reading", db_tablespace=home))


def test_it_is_the_one_of_the_database_whatever_its_name(lab: Laboratory) -> None:
    elsewhere_url = urlsplit(DATABASE_URL)._replace(path="/lab_elsewhere").geturl()
    lab.execute('CREATE DATABASE lab_elsewhere TABLESPACE "lab_Fast"')
    try:
        with aimed_at(elsewhere_url):
            lab.run(create("Reading", db_tablespace="lab_Fast"))
            assert elsewhere(lab, "lab\\_%") == []
            lab.run(create("Writing", db_tablespace="pg_default"))
            assert elsewhere(lab, "lab\\_writing%") == ["lab_writing", "lab_writing_pkey"]
    finally:
        lab.execute("DROP DATABASE lab_elsewhere")
        lab.state = lab.state.clone()
        lab.state.models.clear()
