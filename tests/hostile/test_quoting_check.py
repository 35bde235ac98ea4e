"""Quoting check: it fails where a name is not quoted."""

from __future__ import annotations

import pytest

from tests.hostile.quoting_check import always_quoted, outside_quotes
from tests.hostile.values import MARK
from tests.support.database import Database


@pytest.mark.parametrize(
    "statement",
    [
        f"DROP TABLE {MARK}",
        f'DROP TABLE "x"; DROP TABLE canary; --{MARK}"',
        f"SELECT 'x'; DROP TABLE canary; --{MARK}'",
        f"SELECT E'\\\\'; DROP TABLE canary; --{MARK}'",
        f"DO $a$ BEGIN EXECUTE 'x'; PERFORM {MARK}; END $a$",
        f"DO $a$ BEGIN PERFORM 'x$a$; DROP TABLE canary; --{MARK}'; END $a$",
    ],
)
def test_a_name_that_breaks_out_is_found(statement: str) -> None:
    assert MARK in outside_quotes(statement)


@pytest.mark.parametrize(
    "statement",
    [
        f'DROP TABLE "x""; DROP TABLE canary; --{MARK}"',
        f"SELECT 'x''; DROP TABLE canary; --{MARK}'",
        f"SELECT E'\\'; DROP TABLE canary; --{MARK}'",
        f"DO $a$ BEGIN PERFORM 'x$$; DROP TABLE canary; --{MARK}'; END $a$",
    ],
)
def test_a_name_that_stays_inside_is_not(statement: str) -> None:
    assert MARK not in outside_quotes(statement)


@pytest.mark.parametrize("somewhere", [True, False])
def test_a_statement_with_a_bare_name_fails_the_watch(database: Database, somewhere: bool) -> None:
    with pytest.raises(AssertionError, match=MARK), always_quoted(somewhere=somewhere):
        database.execute(f"SELECT 1 AS {MARK}")


def test_no_statement_at_all_fails_only_who_wants_one(database: Database) -> None:
    with always_quoted(somewhere=False):
        database.execute("SELECT 1")
    with pytest.raises(AssertionError), always_quoted():
        database.execute("SELECT 1")
