"""W018: the role that maintains must not have more rights than the owners of the tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pg_timepart.checks import check_roles
from tests.support.database import Database


@pytest.fixture
def keeper(database: Database) -> Iterator[str]:
    """A role that owns the ships, beside a captain who is somebody else."""
    database.execute("CREATE ROLE keeper")
    database.execute("CREATE ROLE captain")
    database.execute('GRANT USAGE ON SCHEMA "fleet yard" TO keeper, captain')
    database.execute("ALTER TABLE fleet_ship OWNER TO keeper")
    yield "keeper"
    database.execute("ALTER TABLE fleet_ship OWNER TO CURRENT_USER")
    for role in ("keeper", "captain"):
        database.execute(f"DROP OWNED BY {role}")
        database.execute(f"DROP ROLE {role}")


@contextmanager
def logged_in_as(database: Database, role: str) -> Iterator[None]:
    database.execute(f"SET SESSION AUTHORIZATION {role}")
    try:
        yield
    finally:
        database.execute("RESET SESSION AUTHORIZATION")


def said_of(owner: str) -> list[Any]:
    """Return what is said of the tables of this role."""
    return [
        each
        for each in check_roles(databases=["default"])
        if each.id == "pg_timepart.W018" and f"of the role {owner!r}" in each.msg
    ]


def test_w018_a_superuser_is_too_much(database: Database, keeper: str) -> None:
    (message,) = said_of(keeper)
    assert "which is a superuser: functions in CHECK" in message.msg
    assert "Let the owner log in" in message.hint


def test_so_it_is_where_it_assumes_the_owners_role(database: Database, keeper: str) -> None:
    """The owner's code may RESET ROLE."""
    database.execute(f"SET ROLE {keeper}")
    try:
        assert len(said_of(keeper)) == 1
    finally:
        database.execute("RESET ROLE")


def test_the_owner_is_well(database: Database, keeper: str) -> None:
    with logged_in_as(database, keeper):
        assert said_of(keeper) == []


def test_so_is_a_member_of_the_owner_who_sees_what_goes_on(database: Database, keeper: str) -> None:
    database.execute("GRANT keeper, pg_read_all_stats, pg_monitor TO captain")
    with logged_in_as(database, "captain"):
        assert said_of(keeper) == []


RIGHTS = {
    "CREATEROLE": "has CREATEROLE",
    "BYPASSRLS": "has BYPASSRLS",
    "REPLICATION": "has REPLICATION",
}


@pytest.mark.parametrize(("right", "words"), RIGHTS.items())
def test_an_attribute_that_the_owner_lacks_is_named(
    database: Database, keeper: str, right: str, words: str
) -> None:
    database.execute("GRANT keeper TO captain")
    database.execute(f"ALTER ROLE captain {right}")
    with logged_in_as(database, "captain"):
        (message,) = said_of(keeper)
    assert f"logs in as 'captain', which {words}:" in message.msg
    database.execute(f"ALTER ROLE keeper {right}")
    with logged_in_as(database, "captain"):
        assert said_of(keeper) == []


def test_a_role_that_the_owner_is_no_member_of_is_named(database: Database, keeper: str) -> None:
    """As that of another tenant, or one that may write files of the server."""
    database.execute("GRANT keeper, pg_write_server_files TO captain")
    with logged_in_as(database, "captain"):
        (message,) = said_of(keeper)
    assert "which is a member of pg_write_server_files:" in message.msg


def test_a_database_that_is_not_named_is_not_asked() -> None:
    assert check_roles(databases=[]) == check_roles() == []
