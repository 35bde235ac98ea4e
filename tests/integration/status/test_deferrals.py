"""Run after run gives way: the status says so, and names who has the advisory lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from pg_timepart.constants import Outcome
from pg_timepart.findings import Code
from pg_timepart.maintenance import maintain
from pg_timepart.postgres.lock_holders import NAMESPACE
from pg_timepart.status import Health, status_of, statuses
from tests.apps.fleet.models import Crossing, Ship
from tests.support.database import Database, Model
from tests.support.processes import session

TAKE = f"SELECT pg_advisory_lock({NAMESPACE}, %s::regclass::int)"


@pytest.fixture
def stranger(database: Database) -> Iterator[str]:
    """A role that may connect, and nothing else."""
    database.execute("CREATE ROLE stranger LOGIN PASSWORD 'of the paradise'")
    yield "stranger"
    database.execute("DROP ROLE stranger")


@contextmanager
def taken(*models: Model, **login: str) -> Iterator[None]:
    """Let somebody have the advisory locks of these tables."""
    with ExitStack() as stack:
        with patch.dict(connections["default"].settings_dict, login):
            cursor = stack.enter_context(session("somebody"))
        for each in models:
            cursor.execute(TAKE, [each._meta.db_table])
        yield


def defer_runs(*labels: str, times: int) -> None:
    for label in labels:
        for _ in range(times):
            assert maintain.maintain(label).outcome is Outcome.DEFERRED


def said(label: str = "fleet.ship") -> list[str]:
    return [str(each) for each in status_of(label).problems if each.code is Code.RUNS_DEFERRED]


def test_three_in_a_row_are_told_with_who_has_it(database: Database) -> None:
    with taken(Ship):
        defer_runs("fleet.ship", times=2)
        assert said() == []
        defer_runs("fleet.ship", times=1)
        (problem,) = said()
        assert status_of("fleet.ship").health is Health.CRITICAL  # for want of partitions
    assert problem.startswith(
        "The last 3 runs were deferred, and the last said: Another run maintains"
    )
    assert "Its advisory lock is held now by pid " in problem
    assert "(application 'somebody', user 'postgres', open for" in problem
    assert problem.endswith("If no run is at work there, end it.")


def test_a_stranger_is_told_from_a_run_of_ours(database: Database, stranger: str) -> None:
    with taken(Ship, USER=stranger, PASSWORD="of the paradise"):
        defer_runs("fleet.ship", times=3)
        (problem,) = said()
    assert "user 'stranger'" in problem
    assert "Its role is not the one that asks for this status" in problem
    assert "pg_terminate_backend(" in problem


def test_one_run_that_is_well_ends_it(database: Database) -> None:
    with taken(Ship):
        defer_runs("fleet.ship", times=3)
    (problem,) = said()
    assert "held now" not in problem
    assert maintain.maintain("fleet.ship").outcome is Outcome.DONE
    assert said() == []


def test_it_costs_two_queries_whatever_the_number_of_tables(database: Database) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            statuses(["fleet.ship", "fleet.crossing"])
        return len(captured)

    maintain.maintain("fleet.mooring")
    before = queries()
    with taken(Ship, Crossing):
        defer_runs("fleet.ship", times=3)
        assert queries() == before + 2
        defer_runs("fleet.crossing", times=3)
        assert queries() == before + 2
