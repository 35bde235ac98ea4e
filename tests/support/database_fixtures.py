"""Fixtures; a test module names this one in ``pytest_plugins``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from pytest_django import DjangoDbBlocker

from pg_timepart.maintenance.maintain import maintain
from tests.support.database import Database, Tablespaces, at
from tests.support.tablespaces import tablespaces_named


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
