"""Databases with the plant's tables, to migrate as one likes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from tests.support.app_migrations import APP, migrate
from tests.support.deployed_project import own_database
from tests.support.other_database import using_database


@pytest.fixture
def empty_database(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A database in which nothing is migrated, in the place of the default one."""
    with django_db_blocker.unblock(), own_database() as url, using_database(url):
        yield


@pytest.fixture(scope="session")
def migrated_url(django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Where a database is in which beat, the plant and our own tables are migrated."""
    with django_db_blocker.unblock(), own_database() as url:
        with using_database(url):
            migrate("django_celery_beat")
            migrate("plant")
            migrate(APP)
        yield url


@pytest.fixture
def migrated_database(migrated_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A copy of that database, in the place of the default one."""
    name = migrated_url.rpartition("/")[2]
    with django_db_blocker.unblock(), own_database(name) as url, using_database(url):
        yield
