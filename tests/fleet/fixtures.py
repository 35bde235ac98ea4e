"""Fixtures; a test module names this one in ``pytest_plugins``."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from django.db import connections
from django.test.utils import setup_databases, teardown_databases
from pytest_django import DjangoDbBlocker

from pg_timepart.maintenance.passes import provision
from pg_timepart.maintenance.targets import target_of
from tests.fleet.yard import PARTITIONED, Tablespaces, Yard

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


@pytest.fixture(scope="session")
def tablespaces(both_databases: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Tablespaces]:
    """Three tablespaces within the data directory; skips before PostgreSQL 15, which has none."""
    ours = f"timepart_{os.getpid()}"
    made = Tablespaces(fast=f"{ours}_fast", cold=f"{ours}_cold", odd=f'{ours} "o\'dd" 5% Größe')
    names = (made.fast, made.cold, made.odd)
    with django_db_blocker.unblock():
        with connections["default"].cursor() as cursor:
            cursor.execute("SHOW server_version_num")
            if int(cursor.fetchone()[0]) < 15_00_00:
                pytest.skip("needs allow_in_place_tablespaces of PostgreSQL 15")
            cursor.execute("SET allow_in_place_tablespaces = on")
            for name in names:
                cursor.execute(f"CREATE TABLESPACE {_quoted(name)} LOCATION ''")
    yield made
    with django_db_blocker.unblock(), connections["default"].cursor() as cursor:
        for name in names:
            cursor.execute(f"DROP TABLESPACE {_quoted(name)}")


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))
