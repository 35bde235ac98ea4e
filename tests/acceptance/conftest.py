from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery import Celery
from pytest_django import DjangoDbBlocker

from deploy.local.folders import scratch_folder
from tests.acceptance.installation import Installation, Process


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    """Servers of our own, migrated, since tests restart them."""
    with scratch_folder() as folder:
        installation = Installation(folder)
        try:
            installation.run("-m", "django", "migrate", "--verbosity=0")
            yield installation
        finally:
            installation.close()


@pytest.fixture(scope="session")
def worker(installation: Installation) -> Iterator[Process]:
    """The usual worker."""
    with installation.worker("usual", concurrency=2, visibility_seconds=10) as process:
        yield process


@pytest.fixture(scope="session")
def beat(installation: Installation) -> Iterator[Process]:
    """The usual beat."""
    with installation.beat("beat") as process:
        yield process


@pytest.fixture
def database(installation: Installation, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The installation's database as this process's default one, in autocommit."""
    with django_db_blocker.unblock(), installation.database():
        yield


@pytest.fixture
def client(installation: Installation) -> Iterator[Celery]:
    """Who sends tasks and waits for results."""
    with installation.client() as app:
        yield app
