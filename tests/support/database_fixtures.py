"""Fixtures of the test databases; each module finds them as ``migrate`` made them, in any order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from django.db import connections
from django.test.utils import setup_databases, teardown_databases
from pytest_django import DjangoDbBlocker

from pg_timepart.maintenance.maintain import maintain
from tests.support import database_state
from tests.support.database import Database, Tablespaces, at
from tests.support.tablespaces import tablespaces_named


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Make the databases, as pytest-django does; nobody is connected when it drops them."""
    with django_db_blocker.unblock():
        database_state.remember()
    yield
    connections.close_all()


@pytest.fixture(scope="session")
def both_databases(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    django_db_keepdb: bool,
    django_db_createdb: bool,
) -> Iterator[None]:
    """Make those test databases that pytest-django made for no marked test of the session."""
    missing = dict.fromkeys(database_state.not_made(), False)
    keeps = django_db_keepdb and not django_db_createdb
    with django_db_blocker.unblock():
        made = setup_databases(0, interactive=False, keepdb=keeps, aliases=missing)
        database_state.remember()
    yield
    connections.close_all()
    if not django_db_keepdb:
        with django_db_blocker.unblock():
            teardown_databases(made, 0)


@pytest.fixture(scope="module", autouse=True)
def database_as_made(
    request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """Take away what the module leaves in the databases.

    Partitions that are missing are made for those modules alone that do not empty the tables.
    """
    in_module = [each for each in request.session.items if each.path == request.path]
    with django_db_blocker.unblock():
        if any("database" not in getattr(each, "fixturenames", ()) for each in in_module):
            database_state.restore()
        yield
        database_state.remove_additions()


@pytest.fixture
def committing(both_databases: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The databases in autocommit; the rows that the test leaves are deleted after it."""
    with django_db_blocker.unblock():
        yield
        database_state.remove_rows()


@pytest.fixture
def database(both_databases: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Database]:
    """The default database in autocommit, with the fleet's tables empty."""
    with django_db_blocker.unblock():
        database = Database()
        with database.tidy():
            yield database


@pytest.fixture
def database_with_default(database: Database) -> Database:
    """A table with room ahead and a default partition that is too big to be scanned in time."""
    database.execute("CREATE TABLE fleet_rest PARTITION OF fleet_ship DEFAULT")
    database.execute("ALTER TABLE fleet_rest SET (autovacuum_enabled = off)")
    maintain("fleet.ship", now=at("2024-05-15 10:30"))
    database.execute("UPDATE pg_class SET relpages = 1000 WHERE relname = 'fleet_rest'")
    return database


@pytest.fixture(scope="session")
def tablespaces(both_databases: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Tablespaces]:
    """Three tablespaces for the whole session."""
    ours = f"timepart_{os.getpid()}"
    three = Tablespaces(fast=f"{ours}_fast", cold=f"{ours}_cold", odd=f'{ours} "o\'dd" 5% Größe')
    with django_db_blocker.unblock():
        stack = ExitStack()
        stack.enter_context(tablespaces_named(three.fast, three.cold, three.odd))
    yield three
    with django_db_blocker.unblock():
        stack.close()
