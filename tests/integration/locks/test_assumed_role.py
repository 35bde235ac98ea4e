"""Django's ``OPTIONS["assume_role"]``: who logs in is not who works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings

from pg_timepart.constants import Outcome
from tests.apps.plant.models import Measurement
from tests.support.processes import forked, session, wait_until
from tests.support.scenarios import execute
from tests.support.table_setup import old_partition, prepare
from tests.support.table_state import reset_plant_tables

pytestmark = pytest.mark.usefixtures("committing")

PATIENT = {"LONG_TRANSACTION_MS": 60_000, "LOCK_WAIT_SECONDS": 20}
WAITS_FOR_THE_TARGET = """
SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE a.application_name = 'worker' AND a.query LIKE 'ALTER TABLE %' AND NOT l.granted)
"""


@pytest.fixture(autouse=True)
def keeper(committing: None) -> Iterator[None]:
    """A role that owns everything, and one that may log in as nobody but it."""
    prepare(Measurement)
    execute(
        "CREATE ROLE keeper SUPERUSER",
        "CREATE ROLE porter LOGIN NOINHERIT PASSWORD 'porter' IN ROLE keeper",
    )
    yield
    connection.close()
    execute("DROP ROLE porter", "DROP ROLE keeper")
    reset_plant_tables()


@contextmanager
def logged_in_as_porter() -> Iterator[None]:
    before = connection.settings_dict
    connection.close()
    options = {**before["OPTIONS"], "assume_role": "keeper"}
    connection.settings_dict = {
        **before,
        "USER": "porter",
        "PASSWORD": "porter",
        "OPTIONS": options,
    }
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict = before


def ask(query: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


def detach() -> Any:
    with logged_in_as_porter(), override_settings(PG_TIMEPART=PATIENT):
        assert ask("SELECT session_user || ' as ' || current_user") == "porter as keeper"
        return old_partition(Measurement).detach().outcome


def test_a_detach_is_watched_over_and_stops_no_writer_of_what_is_referred_to() -> None:
    """It waits for a reader of the partitions, and then for a writer of the target, in vain."""
    with session("reader") as reader, session("writer") as writer:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM plant_measurement")
        with forked(detach, "worker") as worker:
            wait_until(lambda: ask(WAITS_FOR_THE_TARGET))
            writer.execute("BEGIN")
            writer.execute("UPDATE plant_machine SET name = 'lathe'")
            reader.execute("COMMIT")
            with session("application") as application:
                for _ in range(200):
                    application.execute("SET lock_timeout = '300ms'")
                    application.execute("INSERT INTO plant_machine (name) VALUES ('drill')")
            writer.execute("COMMIT")
            assert worker.result() is Outcome.DONE
    assert not old_partition(Measurement).is_attached
