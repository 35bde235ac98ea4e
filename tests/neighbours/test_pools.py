"""A real worker of each of Celery's pools retires what is due, many passes at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery import Celery
from pytest_django import DjangoDbBlocker

from tests.acceptance.installation import Installation, wait_until
from tests.acceptance.sent_passes import assert_all_end_well, send_pass
from tests.acceptance.table import is_rotated, neglect
from tests.neighbours.packages import folder_of

pytestmark = pytest.mark.long

PACKAGES = {"gevent": ("gevent",), "eventlet": ("eventlet",)}


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    """Servers of our own, migrated."""
    with Installation.migrated() as installation:
        yield installation


@pytest.fixture
def client(installation: Installation, django_db_blocker: DjangoDbBlocker) -> Iterator[Celery]:
    """Who sends passes on a table that nobody has looked after for years."""
    with django_db_blocker.unblock(), installation.database(), installation.client() as app:
        neglect()
        yield app


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo", "gevent", "eventlet"])
def test_a_worker_rotates(pool: str, installation: Installation, client: Celery) -> None:
    wanted = PACKAGES.get(pool)
    packages = folder_of(wanted, with_dependencies=True) if wanted else None
    with installation.worker(pool, pool=pool, packages=packages, concurrency=4) as worker:
        first = send_pass(client)
        wait_until(first.ready, 60, worker)
        result = first.get(timeout=5)
        assert result["outcome"] == "done", result
        wait_until(is_rotated, 20, worker)
        assert_all_end_well([send_pass(client) for _ in range(8)], worker)
