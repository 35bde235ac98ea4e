"""Fixture of a worker process whose locks the lock proof observes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from pytest_django import DjangoDbBlocker

from proof.locks.lock_observer import noting
from proof.locks.operations import archive
from proof.locks.tables import REFERRING_WITH_BIG_REST, WITH_BIG_REST
from proof.locks.worker import Worker, working_process
from tests.support.table_state import reset_plant_tables
from tests.support.tablespaces import tablespaces_named


@pytest.fixture(scope="module")
def observed_worker(both_databases: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Worker]:
    """Who does the operations, in a database that notes their locks."""
    with django_db_blocker.unblock():
        with tablespaces_named(archive()), noting(), working_process() as worker:
            yield worker
            for table in (WITH_BIG_REST, REFERRING_WITH_BIG_REST):
                table.drop_big()
            reset_plant_tables()
        call_command("flush", verbosity=0, interactive=False)
