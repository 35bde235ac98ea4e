"""The proof of quoting can fail."""

from __future__ import annotations

import pytest

from tests.hostile.quoting import outside_quotes
from tests.hostile.words import MARK


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
