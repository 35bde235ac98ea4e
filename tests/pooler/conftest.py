from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from celery import Celery
from pytest_django import DjangoDbBlocker

from deploy.local import ServiceError, get_pgbouncer
from tests.pooler.pooled_deployment import PooledInstallation
from tests.pooler.table import MODELS
from tests.support.table_state import reset_plant_tables, reset_table
from tests.support.tablespaces import tablespaces_named


@pytest.fixture(scope="session")
def program() -> None:
    """Skip where there is no PgBouncer and none can be fetched; fail there under CI."""
    try:
        get_pgbouncer()
    except ServiceError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"needs pgbouncer (apt-get install pgbouncer). {error}")


@pytest.fixture(scope="session")
def installation(program: None) -> Iterator[PooledInstallation]:
    """Servers of our own, migrated through the pooler."""
    with PooledInstallation.migrated() as installation:
        yield installation


@pytest.fixture
def server(
    installation: PooledInstallation, django_db_blocker: DjangoDbBlocker
) -> Iterator[PooledInstallation]:
    """The installation, with this process on the server itself: it prepares and looks on."""
    with django_db_blocker.unblock(), installation.database():
        yield installation
        reset_plant_tables()


@pytest.fixture
def client(installation: PooledInstallation) -> Iterator[Celery]:
    """Who sends tasks and waits for results."""
    with installation.client() as app:
        yield app


@pytest.fixture
def archive(server: PooledInstallation) -> Iterator[str]:
    """A second tablespace."""
    with tablespaces_named("archive"):
        yield "archive"
        for model in MODELS:
            reset_table(model)
