"""Fixtures; a test module names this one in ``pytest_plugins``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from django.db import connections
from django.test.utils import setup_databases, teardown_databases
from pytest_django import DjangoDbBlocker

from pg_timepart.maintenance.passes import maintain, provision
from pg_timepart.maintenance.targets import target_of
from tests.fleet.yard import PARTITIONED, Tablespaces, Yard, at
from tests.tablespaces import tablespaces_named

CONFIGURED = {alias: connections[alias].settings_dict["NAME"] for alias in connections}


@pytest.fixture(scope="session")
def both_databases(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    django_db_keepdb: bool,
    django_db_createdb: bool,
) -> Iterator[None]:
    """Make those test databases that pytest-django made for no marked test of the session."""
    missing = {
        alias
        for alias, name in CONFIGURED.items()
        if connections[alias].settings_dict["NAME"] == name
    }
    keeps = django_db_keepdb and not django_db_createdb
    with django_db_blocker.unblock():
        made = setup_databases(0, interactive=False, keepdb=keeps, aliases=missing)  # type: ignore[arg-type]
    yield
    if not django_db_keepdb:
        with django_db_blocker.unblock():
            teardown_databases(made, 0)


@pytest.fixture(scope="module")
def moored_fleet(both_databases: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Give the tables their first partitions back, for whoever comes after this module."""
    yield
    with django_db_blocker.unblock():
        for model in PARTITIONED:
            provision(target_of(model))


@pytest.fixture
def yard(moored_fleet: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Yard]:
    """The default database in autocommit, with the fleet's tables empty."""
    with django_db_blocker.unblock():
        yard = Yard()
        with yard.tidy():
            yield yard


@pytest.fixture
def rest(yard: Yard) -> Yard:
    """A table with room ahead and a default partition that is too big to be scanned in time."""
    yard.execute("CREATE TABLE fleet_rest PARTITION OF fleet_ship DEFAULT")
    yard.execute("ALTER TABLE fleet_rest SET (autovacuum_enabled = off)")
    maintain("fleet.ship", now=at("2024-05-15 10:30"))
    yard.execute("UPDATE pg_class SET relpages = 1000 WHERE relname = 'fleet_rest'")
    return yard


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
