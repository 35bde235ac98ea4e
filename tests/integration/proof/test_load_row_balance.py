"""The proof under load finds every row, wherever its partition is, and misses one that is gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection

from proof.load.partitions import read_numbers, read_partitions
from proof.load.row_balance import Location, balance, find_rows

pytestmark = pytest.mark.usefixtures("committing")

LABEL, TABLE = "load.t00", "load_t00"
WRITTEN = {LABEL: [1, 2, 3, 4]}


@pytest.fixture(autouse=True)
def table(committing: None) -> Iterator[None]:
    """Two partitions with two rows each, of which the older is detached; and a stranger."""
    execute(
        "CREATE TABLE load_t00 (at int, number bigint) PARTITION BY RANGE (at)",
        "CREATE TABLE load_t00_old PARTITION OF load_t00 FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE load_t00_new PARTITION OF load_t00 FOR VALUES FROM (10) TO (20)",
        "CREATE TABLE load_t01_old (at int, number bigint)",
        "INSERT INTO load_t00 VALUES (1, 1), (2, 2), (11, 3), (12, 4)",
        "INSERT INTO load_t01_old VALUES (1, 5)",
        "ALTER TABLE load_t00 DETACH PARTITION load_t00_old",
    )
    yield
    execute("DROP TABLE IF EXISTS load_t00, load_t00_old, load_t01_old")


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for each in statements:
            cursor.execute(each)


def test_attached_and_detached_rows_are_found() -> None:
    found = balance(WRITTEN, find_rows(LABEL, TABLE, None))
    assert (found.lost, found.doubled, found.unknown) == ((), (), ())
    assert found.counts == {Location.ATTACHED: 2, Location.DETACHED: 2}


def test_a_row_that_was_deleted_is_lost() -> None:
    execute("DELETE FROM load_t00_old WHERE number = 2")
    assert balance(WRITTEN, find_rows(LABEL, TABLE, None)).lost == ("load.t00 2",)


def test_rows_of_a_dropped_partition_are_lost() -> None:
    execute("DROP TABLE load_t00_old")
    found = balance(WRITTEN, find_rows(LABEL, TABLE, None))
    assert found.lost == ("load.t00 1", "load.t00 2")


def test_a_row_that_was_written_twice_is_double() -> None:
    execute("INSERT INTO load_t00 VALUES (15, 2)")
    assert balance(WRITTEN, find_rows(LABEL, TABLE, None)).doubled == ("load.t00 2",)


def test_partitions_are_read_from_the_catalog() -> None:
    found = [(each.name, each.is_attached, each.is_pending) for each in read_partitions([TABLE])]
    assert found == [("load_t00_new", True, False), ("load_t00_old", False, False)]


def test_rows_of_a_table_that_is_gone_are_none() -> None:
    assert read_numbers("load_t00_old") == [1, 2]
    assert read_numbers("load_t99_old") is None
