from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.management import call_command
from pytest_django import DjangoDbBlocker

from tests.locks.operations import archive, has_archive
from tests.locks.tables import REFERRING_WITH_BIG_REST, WITH_BIG_REST, execute
from tests.locks.watching import noting
from tests.locks.worker import Worker, working_process
from tests.plant.observing import clear_plant


@pytest.fixture(scope="module")
def worker(both_databases: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Worker]:
    """Who does the operations, in a database that notes their locks."""
    with django_db_blocker.unblock():
        with _archive(), noting(), working_process() as worker:
            yield worker
            for table in (WITH_BIG_REST, REFERRING_WITH_BIG_REST):
                table.drop_big()
            clear_plant()
        call_command("flush", verbosity=0, interactive=False)


@contextmanager
def _archive() -> Iterator[None]:
    """Have a second tablespace, where the server lets one be inside its own folder."""
    if not has_archive():
        yield
        return
    execute("SET allow_in_place_tablespaces = on")
    execute(f"CREATE TABLESPACE {archive()} LOCATION ''")
    yield
    execute(f"DROP TABLESPACE {archive()}")
