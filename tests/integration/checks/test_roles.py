"""W018: the role that maintains must not have more rights than the owners of the tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pg_timepart.checks import check_roles
from tests.support.database import Yard

pytest_plugins = ("tests.support.database_fixtures",)


@pytest.fixture
def keeper(yard: Yard) -> Iterator[str]:
    """A role that owns the ships, beside a captain who is somebody else."""
    yard.execute("CREATE ROLE keeper")
    yard.execute("CREATE ROLE captain")
    yard.execute('GRANT USAGE ON SCHEMA "fleet yard" TO keeper, captain')
    yard.execute("ALTER TABLE fleet_ship OWNER TO keeper")
    yield "keeper"
    yard.execute("ALTER TABLE fleet_ship OWNER TO CURRENT_USER")
    for role in ("keeper", "captain"):
        yard.execute(f"DROP OWNED BY {role}")
        yard.execute(f"DROP ROLE {role}")


@contextmanager
def logged_in_as(yard: Yard, role: str) -> Iterator[None]:
    yard.execute(f"SET SESSION AUTHORIZATION {role}")
    try:
        yield
    finally:
        yard.execute("RESET SESSION AUTHORIZATION")


def said_of(owner: str) -> list[Any]:
    """Return what is said of the tables of this role."""
    return [
        each
        for each in check_roles(databases=["default"])
        if each.id == "pg_timepart.W018" and f"of the role {owner!r}" in each.msg
    ]


def test_w018_a_superuser_is_too_much(yard: Yard, keeper: str) -> None:
    (message,) = said_of(keeper)
    assert "which is a superuser: functions in CHECK" in message.msg
    assert "Let the owner log in" in message.hint


def test_so_it_is_where_it_assumes_the_owners_role(yard: Yard, keeper: str) -> None:
    """The owner's code may RESET ROLE."""
    yard.execute(f"SET ROLE {keeper}")
    try:
        assert len(said_of(keeper)) == 1
    finally:
        yard.execute("RESET ROLE")


def test_the_owner_is_well(yard: Yard, keeper: str) -> None:
    with logged_in_as(yard, keeper):
        assert said_of(keeper) == []


def test_so_is_a_member_of_the_owner_who_sees_what_goes_on(yard: Yard, keeper: str) -> None:
    yard.execute("GRANT keeper, pg_read_all_stats, pg_monitor TO captain")
    with logged_in_as(yard, "captain"):
        assert said_of(keeper) == []


RIGHTS = {
    "CREATEROLE": "has CREATEROLE",
    "BYPASSRLS": "has BYPASSRLS",
    "REPLICATION": "has REPLICATION",
}


@pytest.mark.parametrize(("right", "words"), RIGHTS.items())
def test_an_attribute_that_the_owner_lacks_is_named(
    yard: Yard, keeper: str, right: str, words: str
) -> None:
    yard.execute("GRANT keeper TO captain")
    yard.execute(f"ALTER ROLE captain {right}")
    with logged_in_as(yard, "captain"):
        (message,) = said_of(keeper)
    assert f"logs in as 'captain', which {words}:" in message.msg
    yard.execute(f"ALTER ROLE keeper {right}")
    with logged_in_as(yard, "captain"):
        assert said_of(keeper) == []


def test_a_role_that_the_owner_is_no_member_of_is_named(yard: Yard, keeper: str) -> None:
    """As that of another tenant, or one that may write files of the server."""
    yard.execute("GRANT keeper, pg_write_server_files TO captain")
    with logged_in_as(yard, "captain"):
        (message,) = said_of(keeper)
    assert "which is a member of pg_write_server_files:" in message.msg


def test_a_database_that_is_not_named_is_not_asked() -> None:
    assert check_roles(databases=[]) == check_roles() == []
