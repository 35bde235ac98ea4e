"""W017: a schema on search_path that others may create in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import override_settings

from pg_timepart.checks import check_search_paths
from tests.support.database import Database

EVERYBODY = (
    "In the database 'default', everybody may create in the schema 'attic'. It is on search_path,"
    " so functions and operators put there can be run by Django's queries, with the rights of this"
    " connection's role."
)


@pytest.fixture
def attic(database: Database) -> Iterator[Database]:
    """A schema of ours alone, on the path, and a role besides."""
    database.execute("CREATE SCHEMA attic")
    database.execute("CREATE ROLE lodger")
    database.execute("SET search_path = attic, pg_catalog")
    yield database
    database.execute("RESET search_path")
    database.execute("DROP SCHEMA attic")
    database.execute("DROP OWNED BY lodger")
    database.execute("DROP ROLE lodger")


def found() -> list[str]:
    messages = check_search_paths(databases=["default"])
    assert {each.id for each in messages} <= {"pg_timepart.W017"}
    assert all(each.hint for each in messages)
    return [each.msg for each in messages]


def test_w017_everybody(attic: Database) -> None:
    assert found() == []
    attic.execute("GRANT CREATE ON SCHEMA attic TO PUBLIC")
    assert found() == [EVERYBODY]


def test_w017_a_role(attic: Database) -> None:
    attic.execute("GRANT CREATE ON SCHEMA attic TO lodger")
    assert found() == [EVERYBODY.replace("everybody", "'lodger'")]


def test_usage_alone_is_no_danger(attic: Database) -> None:
    attic.execute("GRANT USAGE ON SCHEMA attic TO PUBLIC")
    assert found() == []


def test_w017_the_owner_of_the_schema_alone(attic: Database) -> None:
    attic.execute("ALTER SCHEMA attic OWNER TO lodger")
    assert found() == [EVERYBODY.replace("everybody", "'lodger'")]
    attic.execute("REVOKE CREATE ON SCHEMA attic FROM lodger")  # who can grant it again
    assert found() == [EVERYBODY.replace("everybody", "'lodger'")]


def test_the_owner_of_the_tables_may(attic: Database) -> None:
    """docs/security.md grants it: partitions are made there in the owner's name."""
    attic.execute("SET search_path = attic, public, pg_catalog")
    attic.execute("GRANT CREATE ON SCHEMA attic TO lodger")
    owner = attic.one("SELECT current_user")
    attic.execute("ALTER TABLE fleet_ship OWNER TO lodger")
    try:
        mine = [each for each in found() if "'attic'" in each]
    finally:
        attic.execute(f'ALTER TABLE fleet_ship OWNER TO "{owner}"')
    assert mine == []


def test_w017_a_schema_that_somebody_may_make(attic: Database) -> None:
    attic.execute('SET search_path = "$user", "To "" let", attic')
    assert found() == []
    name = attic.one("SELECT current_database()")
    attic.execute(f'GRANT CREATE ON DATABASE "{name}" TO lodger')
    user = attic.one("SELECT current_user")
    assert [each.partition(". ")[0] for each in found()] == [
        f"In the database 'default', 'lodger' may create the schema {each!r}, which is missing"
        for each in (user, 'To " let')
    ]


def test_a_path_that_nobody_asks_of(attic: Database) -> None:
    attic.execute("GRANT CREATE ON SCHEMA attic TO PUBLIC")
    assert check_search_paths() == check_search_paths(databases=[]) == []
    with override_settings(PG_TIMEPART={"UNKNOWN": 1}):
        assert found() == []
