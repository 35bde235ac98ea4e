"""Exclusion constraints, which ATTACH builds anew beside what a table brings along."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, models
from django.test import override_settings

from pg_timepart.errors import OperationFailed
from pg_timepart.models import PartitionLog
from tests.support.database import Tablespaces, Yard

pytest_plugins = ("tests.support.database_fixtures",)

JANUARY = "fleet_raft_20240101_20240201"
ONCE = "EXCLUDE (at WITH =, name WITH =)"
EXCLUSIONS = "SELECT conname FROM pg_constraint WHERE contype = 'x' AND conrelid = %s"


@pytest.fixture
def raft(yard: Yard) -> Any:
    """A model whose rows of one moment have different names, with room for January."""
    if yard.connection.pg_version < 170000:  # type: ignore[attr-defined]
        pytest.skip("PostgreSQL has no exclusion constraints on partitioned tables before 17")
    model = yard.build(name=models.CharField(max_length=20))
    yard.execute(f"ALTER TABLE fleet_raft ADD CONSTRAINT once {ONCE}")
    yard.cover(model, "2024-01-01", "2024-02-01")
    return model


def indexes(yard: Yard) -> list[tuple[str, bool, bool]]:
    """Return the columns of each index of January, whether it excludes, and hangs on the parent."""
    return yard.query(
        "SELECT split_part(pg_get_indexdef(indexrelid), ' USING ', 2), indisexclusion,"
        " relispartition"
        " FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = %s::regclass"
        " ORDER BY 1",
        JANUARY,
    )


def january(yard: Yard, model: Any) -> PartitionLog:
    return yard.log(model, "2024-01-01")


def detach(model: Any, log: PartitionLog) -> None:
    model.partitioning.detach_partition(log)


def attach(model: Any, log: PartitionLog) -> Any:
    return model.partitioning.attach_partition(log)


def write(yard: Yard, name: str = "Argo") -> None:
    yard.execute("INSERT INTO fleet_raft (at, name) VALUES ('2024-01-15', %s)", name)


def fill(yard: Yard, count: int) -> None:
    yard.execute(
        "INSERT INTO fleet_raft (at, name) SELECT '2024-01-15', n FROM generate_series(1, %s) n",
        count,
    )


def test_a_new_partition_has_each_once(yard: Yard, raft: Any) -> None:
    found = indexes(yard)
    assert [each[1:] for each in found] == [(True, True), (False, True)]
    write(yard)
    with pytest.raises(IntegrityError, match="exclusion constraint"):
        write(yard)


def test_however_often_it_is_detached_and_attached_it_has_as_many(yard: Yard, raft: Any) -> None:
    before, log = indexes(yard), january(yard, raft)
    write(yard)
    for _ in range(3):
        detach(raft, log)
        attach(raft, log)
    assert indexes(yard) == before
    with pytest.raises(IntegrityError, match="exclusion constraint"):
        write(yard)


def test_copies_that_earlier_attaches_left_go(yard: Yard, raft: Any) -> None:
    before, log = indexes(yard), january(yard, raft)
    detach(raft, log)
    for name in ("again", 'and "again" 5%'):
        quoted = name.replace('"', '""')
        yard.execute(f'ALTER TABLE {JANUARY} ADD CONSTRAINT "{quoted}" {ONCE}')
    attach(raft, log)
    assert indexes(yard) == before


def test_one_of_its_own_stays_and_one_that_it_lost_comes_back(yard: Yard, raft: Any) -> None:
    log = january(yard, raft)
    detach(raft, log)
    names = yard.query(
        "SELECT conname FROM pg_constraint WHERE contype = 'x' AND conrelid = %s", log.relid
    )
    for name in names:
        yard.execute(f'ALTER TABLE {JANUARY} DROP CONSTRAINT "{name}"')
    yard.execute(f"ALTER TABLE {JANUARY} ADD CONSTRAINT own EXCLUDE (name WITH =)")
    attach(raft, log)
    assert [each[1:] for each in indexes(yard)] == [(True, True), (False, True), (True, False)]


def test_a_table_that_was_made_and_never_attached(yard: Yard, raft: Any) -> None:
    before = indexes(yard)
    comment = yard.one("SELECT obj_description(%s::regclass)", JANUARY)
    yard.execute(f"DROP TABLE {JANUARY}")
    yard.execute(f"CREATE TABLE {JANUARY} (LIKE fleet_raft INCLUDING ALL EXCLUDING IDENTITY)")
    yard.execute(f"COMMENT ON TABLE {JANUARY} IS '{comment}'")
    yard.cover(raft, "2024-01-01", "2024-02-01")
    assert indexes(yard) == before


def test_the_index_is_where_the_partition_goes(
    yard: Yard, raft: Any, tablespaces: Tablespaces
) -> None:
    yard.configure(raft, attach_tablespace=tablespaces.fast, detach_tablespace=tablespaces.cold)
    log = january(yard, raft)
    detach(raft, log)
    attach(raft, log)
    assert yard.tablespaces(JANUARY) == {tablespaces.fast}


@override_settings(PG_TIMEPART={"LOCK_BUDGET_MS": 5})
def test_beyond_the_budget_it_is_refused_with_what_to_do_by_hand(yard: Yard, raft: Any) -> None:
    log = january(yard, raft)
    fill(yard, 20_000)
    with override_settings(PG_TIMEPART={"LOCK_BUDGET_MS": 1000}):
        detach(raft, log)
    with pytest.raises(OperationFailed) as caught:
        attach(raft, log)
    said = str(caught.value)
    assert "ATTACH builds anew for the rows of fleet_raft_20240101_20240201 under its locks" in said
    assert (log.is_attached, log.unfinished) == (False, "")
    assert [each[1:] for each in indexes(yard)] == [(True, False), (False, False)]
    for statement in said[said.index("ALTER TABLE") :].rstrip(".").split("; "):
        yard.execute(statement.rstrip("."))
    assert yard.one("SELECT count(*) FROM fleet_raft") == 20_000
    assert [each[1:] for each in indexes(yard)] == [(True, True), (False, True)]
