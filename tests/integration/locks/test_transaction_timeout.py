"""A role's transaction_timeout, which PostgreSQL has from 17 on and ends the connection with."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Timer

import pytest
from django.db import DatabaseError, InterfaceError, connection
from django.test import override_settings

from pg_timepart.constants import Outcome
from pg_timepart.postgres.sqlstate import is_passing_fault
from tests.apps.plant.models import Measurement
from tests.support.processes import session
from tests.support.scenarios import execute
from tests.support.table_setup import old_partition, prepare, run_pass
from tests.support.table_state import reset_plant_tables
from tests.support.tablespaces import tablespaces_named

pytestmark = pytest.mark.usefixtures("committing")

PATIENT = {"LONG_TRANSACTION_MS": 60_000, "LOCK_WAIT_SECONDS": 5, "LOCK_BUDGET_MS": 4_000}


@pytest.fixture(autouse=True)
def hurried_role(committing: None) -> Iterator[None]:
    if connection.pg_version < 170_000:  # type: ignore[attr-defined]
        pytest.skip("transaction_timeout is there from 17 on")
    prepare(Measurement)
    execute("ALTER ROLE CURRENT_USER SET transaction_timeout = '300ms'")
    connection.close()
    yield
    execute("ALTER ROLE CURRENT_USER RESET transaction_timeout")
    connection.close()
    reset_plant_tables()


def test_a_move_may_last_longer() -> None:
    """Here it waits for its lock; writing a large table anew is as long, each time it is tried."""
    with override_settings(PG_TIMEPART=PATIENT), session("reader") as reader:
        old_partition(Measurement).detach()
        with tablespaces_named("cellar"):
            reader.execute("SET transaction_timeout = 0")
            reader.execute("BEGIN")
            reader.execute(f"SELECT count(*) FROM {old_partition(Measurement).table_name}")
            release = Timer(1, lambda: reader.execute("ROLLBACK"))
            release.start()
            report = old_partition(Measurement).set_tablespace("cellar")
            release.join()
            old_partition(Measurement).set_tablespace("pg_default")
    assert report.outcome is Outcome.DONE


def test_a_concurrent_detach_that_is_ended_by_it_comes_again() -> None:
    with override_settings(PG_TIMEPART=PATIENT), session("reader") as reader:
        reader.execute("SET transaction_timeout = 0")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM plant_measurement")
        with pytest.raises((DatabaseError, InterfaceError)) as caught:
            old_partition(Measurement).detach()
    assert is_passing_fault(caught.value)
    run_pass(Measurement)
    assert not old_partition(Measurement).is_attached
