"""Exclusion constraints, which ATTACH builds anew beside what a table brings along."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, models
from django.test import override_settings

from pg_timepart.errors import OperationFailed
from pg_timepart.models import PartitionLog
from tests.support.database import Database, Tablespaces

JANUARY = "fleet_raft_20240101_20240201"
ONCE = "EXCLUDE (at WITH =, name WITH =)"
EXCLUSIONS = "SELECT conname FROM pg_constraint WHERE contype = 'x' AND conrelid = %s"


@pytest.fixture
def raft(database: Database) -> Any:
    """A model whose rows of one moment have different names, with room for January."""
    if database.connection.pg_version < 170000:  # type: ignore[attr-defined]
        pytest.skip("PostgreSQL has no exclusion constraints on partitioned tables before 17")
    model = database.build(name=models.CharField(max_length=20))
    database.execute(f"ALTER TABLE fleet_raft ADD CONSTRAINT once {ONCE}")
    database.cover(model, "2024-01-01", "2024-02-01")
    return model


def indexes(database: Database) -> list[tuple[str, bool, bool]]:
    """Return the columns of each index of January, whether it excludes, and hangs on the parent."""
    return database.query(
        "SELECT split_part(pg_get_indexdef(indexrelid), ' USING ', 2), indisexclusion,"
        " relispartition"
        " FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = %s::regclass"
        " ORDER BY 1",
        JANUARY,
    )


def january(database: Database, model: Any) -> PartitionLog:
    return database.log(model, "2024-01-01")


def detach(model: Any, log: PartitionLog) -> None:
    model.partitioning.detach_partition(log)


def attach(model: Any, log: PartitionLog) -> Any:
    return model.partitioning.attach_partition(log)


def write(database: Database, name: str = "Argo") -> None:
    database.execute("INSERT INTO fleet_raft (at, name) VALUES ('2024-01-15', %s)", name)


def fill(database: Database, count: int) -> None:
    database.execute(
        "INSERT INTO fleet_raft (at, name) SELECT '2024-01-15', n FROM generate_series(1, %s) n",
        count,
    )


def test_a_new_partition_has_each_once(database: Database, raft: Any) -> None:
    found = indexes(database)
    assert [each[1:] for each in found] == [(True, True), (False, True)]
    write(database)
    with pytest.raises(IntegrityError, match="exclusion constraint"):
        write(database)


def test_however_often_it_is_detached_and_attached_it_has_as_many(
    database: Database, raft: Any
) -> None:
    before, log = indexes(database), january(database, raft)
    write(database)
    for _ in range(3):
        detach(raft, log)
        attach(raft, log)
    assert indexes(database) == before
    with pytest.raises(IntegrityError, match="exclusion constraint"):
        write(database)


def test_copies_that_earlier_attaches_left_go(database: Database, raft: Any) -> None:
    before, log = indexes(database), january(database, raft)
    detach(raft, log)
    for name in ("again", 'and "again" 5%'):
        quoted = name.replace('"', '""')
        database.execute(f'ALTER TABLE {JANUARY} ADD CONSTRAINT "{quoted}" {ONCE}')
    attach(raft, log)
    assert indexes(database) == before


def test_one_of_its_own_stays_and_one_that_it_lost_comes_back(
    database: Database, raft: Any
) -> None:
    log = january(database, raft)
    detach(raft, log)
    names = database.query(
        "SELECT conname FROM pg_constraint WHERE contype = 'x' AND conrelid = %s", log.relid
    )
    for name in names:
        database.execute(f'ALTER TABLE {JANUARY} DROP CONSTRAINT "{name}"')
    database.execute(f"ALTER TABLE {JANUARY} ADD CONSTRAINT own EXCLUDE (name WITH =)")
    attach(raft, log)
    assert [each[1:] for each in indexes(database)] == [(True, True), (False, True), (True, False)]


def test_a_table_that_was_made_and_never_attached(database: Database, raft: Any) -> None:
    before = indexes(database)
    comment = database.one("SELECT obj_description(%s::regclass)", JANUARY)
    database.execute(f"DROP TABLE {JANUARY}")
    database.execute(f"CREATE TABLE {JANUARY} (LIKE fleet_raft INCLUDING ALL EXCLUDING IDENTITY)")
    database.execute(f"COMMENT ON TABLE {JANUARY} IS '{comment}'")
    database.cover(raft, "2024-01-01", "2024-02-01")
    assert indexes(database) == before


def test_the_index_is_where_the_partition_goes(
    database: Database, raft: Any, tablespaces: Tablespaces
) -> None:
    database.configure(raft, attach_tablespace=tablespaces.fast, detach_tablespace=tablespaces.cold)
    log = january(database, raft)
    detach(raft, log)
    attach(raft, log)
    assert database.tablespaces(JANUARY) == {tablespaces.fast}


@override_settings(PG_TIMEPART={"LOCK_BUDGET_MS": 5})
def test_beyond_the_budget_it_is_refused_with_what_to_do_by_hand(
    database: Database, raft: Any
) -> None:
    log = january(database, raft)
    fill(database, 20_000)
    with override_settings(PG_TIMEPART={"LOCK_BUDGET_MS": 1000}):
        detach(raft, log)
    with pytest.raises(OperationFailed) as caught:
        attach(raft, log)
    said = str(caught.value)
    assert "ATTACH builds anew for the rows of fleet_raft_20240101_20240201 under its locks" in said
    assert (log.is_attached, log.unfinished) == (False, "")
    assert [each[1:] for each in indexes(database)] == [(True, False), (False, False)]
    for statement in said[said.index("ALTER TABLE") :].rstrip(".").split("; "):
        database.execute(statement.rstrip("."))
    assert database.one("SELECT count(*) FROM fleet_raft") == 20_000
    assert [each[1:] for each in indexes(database)] == [(True, True), (False, True)]
