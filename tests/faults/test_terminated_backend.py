"""pg_terminate_backend at any statement: an error, a record, and the next pass heals it."""

from __future__ import annotations

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.constants import Outcome
from pg_timepart.maintenance.maintain import maintain_all
from pg_timepart.maintenance.report import Report
from pg_timepart.postgres.lock_holders import NAMESPACE
from tests.apps.plant.models import Measurement, Reading
from tests.faults.lost_connections import SENTENCE, losing_connections
from tests.support import scenarios
from tests.support.all_scenarios import ALL_SCENARIOS
from tests.support.fault_injection import fail_at_every_point, fail_at_point, fail_at_some_points
from tests.support.processes import interrupted_at, session, terminate
from tests.support.scenarios import NOW, prepare_old
from tests.support.table_state import reset_table

pytestmark = pytest.mark.usefixtures("database")

READING, MEASUREMENT = "plant.reading", "plant.measurement"

END_THE_HOLDERS = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s
"""


def end_its_process(_where: str, connection: BaseDatabaseWrapper) -> None:
    terminate(connection)


def end_who_has_the_advisory_lock(_where: str, _connection: BaseDatabaseWrapper) -> None:
    with session("executioner") as executioner:
        executioner.execute(END_THE_HOLDERS, [NAMESPACE])


LOSING_THE_LOCK = losing_connections(end_who_has_the_advisory_lock)
"""The run goes on, or gives way."""


def test_at_statements_of_a_detach() -> None:
    fail_at_some_points(
        scenarios.detach_with_a_foreign_key(), losing_connections(end_its_process), every=9
    )


@pytest.mark.long
@pytest.mark.parametrize("name", ALL_SCENARIOS)
def test_at_every_statement_of_every_operation(name: str, archive: str) -> None:
    fail_at_every_point(ALL_SCENARIOS[name](archive), losing_connections(end_its_process))


def test_the_advisory_lock_is_lost_in_the_middle_of_an_attach() -> None:
    fail_at_point(scenarios.attach(), LOSING_THE_LOCK, point=5)


@pytest.mark.long
@pytest.mark.parametrize("name", ALL_SCENARIOS)
def test_the_advisory_lock_is_lost_at_every_statement(name: str, archive: str) -> None:
    fail_at_every_point(ALL_SCENARIOS[name](archive), LOSING_THE_LOCK)


@pytest.mark.parametrize(
    "words", ["before ALTER TABLE", 'before INSERT INTO "pg_timepart_partitionrun"']
)
def test_the_next_table_of_the_same_pass_gets_a_new_connection(words: str) -> None:
    """Also where the connection is lost after all is done, when it is to be recorded."""
    prepare_old(Reading, interval=2)()
    reset_table(Measurement)
    reports: list[Report] = []
    interrupted = interrupted_at(
        words, lambda: reports.extend(maintain_all(now=NOW)), end_its_process
    )
    assert interrupted.place is not None
    assert interrupted.error is None
    first, second = (each for each in reports if each.label in (READING, MEASUREMENT))
    assert (first.label, second.label) == (READING, MEASUREMENT)
    if words == "before ALTER TABLE":
        assert first.outcome is Outcome.FAILED
        assert SENTENCE in first.message
    else:
        assert first.outcome is Outcome.DONE
    assert second.outcome is Outcome.DONE, second.reason
