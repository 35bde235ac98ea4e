"""Prepared transactions that were forgotten: they hold locks, and no process has them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from pg_timepart.constants import Outcome
from pg_timepart.models import PartitionConfig
from pg_timepart.postgres.lock_holders import NAMESPACE
from pg_timepart.status.sizes import read_figures
from tests.apps.plant.models import Machine, Measurement, Reading
from tests.faults.own_server import OwnServer
from tests.support.all_scenarios import ALL_SCENARIOS
from tests.support.processes import forked, session, wait_until
from tests.support.scenarios import LEAF, execute, old_partition, pending, prepare_old, run_pass
from tests.support.table_state import reset_table

ON_TABLE = "UPDATE plant_measurement SET value = 9"
ON_LEAF = f"UPDATE {LEAF} SET value = 9"
ON_TARGET = "UPDATE plant_machine SET name = 'lathe'"
ADVISORY = f"SELECT pg_advisory_xact_lock({NAMESPACE}, 'plant_measurement'::regclass::int)"

IMPATIENT = {"LOCK_WAIT_SECONDS": 0.3}
SECONDS_OLD = "SELECT extract(epoch FROM clock_timestamp() - prepared) FROM pg_prepared_xacts"


@pytest.fixture(scope="module")
def preparing_server(own_server: OwnServer, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Our own server, where transactions may be prepared."""
    with (
        django_db_blocker.unblock(),
        own_server.database(),
        own_server.changed(max_prepared_transactions="10"),
    ):
        yield


pytestmark = pytest.mark.usefixtures("preparing_server", "database")


@contextmanager
def prepared(statement: str) -> Iterator[None]:
    """Leave it prepared, for longer than a transaction is short, until the block has ended."""
    execute("BEGIN", statement, "PREPARE TRANSACTION 'for''gotten'")
    try:
        wait_until(lambda: seconds_old() > 0.3)
        yield
    finally:
        execute("ROLLBACK PREPARED 'for''gotten'")


def seconds_old() -> float:
    with connection.cursor() as cursor:
        cursor.execute(SECONDS_OLD)
        return float(cursor.fetchone()[0])


def said() -> str:
    return str(PartitionConfig.objects.get(model_label="plant.measurement").last_message)


@pytest.mark.parametrize("statement", [ON_TABLE, ON_LEAF, ON_TARGET])
def test_a_concurrent_detach_is_not_begun_behind_it(statement: str) -> None:
    prepare_old(Measurement, interval=2)()
    with prepared(statement), override_settings(PG_TIMEPART=IMPATIENT):
        assert run_pass(Measurement) is Outcome.DEFERRED
        assert pending(Measurement) == []
        assert "prepared transaction \"for'gotten\" (owner 'postgres', prepared " in said()
        assert "COMMIT PREPARED or ROLLBACK PREPARED ends it) holds " in said()
    assert run_pass(Measurement) is Outcome.DONE


def test_writers_of_a_referenced_table_do_not_wait() -> None:
    """A create waits from afar: who inserts meanwhile never finds a lock of ours."""
    reset_table(Measurement)
    Machine.objects.get_or_create(name="press")
    with (
        prepared(ON_TARGET),
        override_settings(PG_TIMEPART=IMPATIENT),
        forked(lambda: run_pass(Measurement), "worker") as worker,
        session("application") as application,
    ):
        application.execute("SET lock_timeout = '5ms'")
        while worker.process.is_alive():
            application.execute("INSERT INTO plant_machine (name) VALUES ('new')")
        assert worker.result() is Outcome.DEFERRED
    assert '"for\'gotten"' in said()


def test_finalize_waits_for_none_that_is_elsewhere() -> None:
    scenario = ALL_SCENARIOS["finalize with a foreign key"]("")
    scenario.prepare()
    with prepared("UPDATE django_content_type SET model = model"):
        assert pending(Measurement)
        scenario.operate()
        assert pending(Measurement) == []


def test_one_that_has_the_advisory_lock_is_named() -> None:
    prepare_old(Measurement, interval=2)()
    with prepared(ADVISORY):
        assert run_pass(Measurement) is Outcome.DEFERRED
        assert "Another run maintains" in said()
        assert "\"for'gotten\" (owner 'postgres'" in said()


def test_sizes_of_the_other_tables_are_read() -> None:
    prepare_old(Measurement)()
    prepare_old(Reading)()
    locked, other = old_partition(Measurement).relid, old_partition(Reading).relid
    with prepared(f"LOCK TABLE {LEAF}"):
        assert [*read_figures(connection, [locked, other])] == [other]
