from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from deploy.local.folders import scratch_folder
from pg_timepart.postgres.catalog import tablespaces
from tests.faults.own_server import OwnServer
from tests.support.scenarios import execute
from tests.support.table_state import reset_plant_tables


@pytest.fixture(scope="session")
def own_server() -> Iterator[OwnServer]:
    """A server of our own, migrated."""
    with scratch_folder() as folder:
        server = OwnServer(folder / "postgresql")
        try:
            server.migrate()
            yield server
        finally:
            server.stop()


@pytest.fixture
def database(own_server: OwnServer, django_db_blocker: DjangoDbBlocker) -> Iterator[OwnServer]:
    """Our own server as this process's default database, in autocommit; no partition is left."""
    with django_db_blocker.unblock(), own_server.database():
        yield own_server
        reset_plant_tables()


@pytest.fixture(scope="session")
def archive_folder(own_server: OwnServer) -> Path:
    """Where the archive is."""
    return own_server.make_folder("archive")


@pytest.fixture
def archive(database: OwnServer, archive_folder: Path) -> str:
    """A second tablespace, in a folder of its own.

    It stays: a crash leaves files there that no table has, and so it cannot be dropped.
    """
    if "archive" not in tablespaces(connection):
        execute(f"CREATE TABLESPACE archive LOCATION '{archive_folder}'")
    return "archive"
