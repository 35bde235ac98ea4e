"""Every module of tests finds the test databases as ``migrate`` made them, in whatever order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connections
from django.test.utils import setup_databases, teardown_databases
from pytest_django import DjangoDbBlocker

from tests.support import database_state
from tests.support.celery_messages import CeleryInMemory


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
def celery_in_memory() -> Iterator[CeleryInMemory]:
    """Where the tasks go that are sent."""
    celery_in_memory = CeleryInMemory()
    yield celery_in_memory
    celery_in_memory.close()
