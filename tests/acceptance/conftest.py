from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery import Celery
from django.db import connection
from pytest_django import DjangoDbBlocker

from tests.acceptance.installation import (
    Installation,
    Process,
    wait_until,
)
from tests.acceptance.table import every, is_rotated, neglect, wait_for_a_look

A_DAY = 86_400


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    """Servers of our own, migrated, since tests restart them."""
    with Installation.migrated() as installation:
        yield installation


@pytest.fixture(scope="session")
def worker(installation: Installation) -> Iterator[Process]:
    """The usual worker."""
    usual = installation.worker("usual", concurrency=2, is_supervised=True, visibility_seconds=10)
    with usual as process:
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
def rotating(
    installation: Installation, database: None, beat: Process, worker: Process
) -> Iterator[None]:
    """A table that is looked at every second, by then; afterwards no pass is left."""
    neglect()
    every(1)
    wait_for_a_look(timeout_seconds=20)
    wait_until(is_rotated)
    yield
    connection.close()
    every(A_DAY)
    installation.wait_until_idle()


@pytest.fixture
def client(installation: Installation) -> Iterator[Celery]:
    """Who sends tasks and waits for results."""
    with installation.client() as app:
        yield app
