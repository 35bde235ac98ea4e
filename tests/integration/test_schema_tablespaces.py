"""Tablespaces of a partitioned model's table and indexes. They cannot be made in a transaction."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import migrations, models

from tests.integration.migrating import Laboratory, create
from tests.tablespaces import tablespaces_named

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lab() -> Iterator[Laboratory]:
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
