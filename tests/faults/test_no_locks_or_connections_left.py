"""A server that has no lock or no connection left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import count
from typing import Any

import pytest
from celery.exceptions import Retry
from django.db import OperationalError, connection

from pg_timepart.constants import Outcome
from pg_timepart.errors import OperationFailed
from pg_timepart.models import PartitionRun
from tests.faults.own_server import OwnServer
from tests.support import scenarios
from tests.support.all_scenarios import ALL_SCENARIOS
from tests.support.celery_messages import CeleryInMemory
from tests.support.processes import session, wait_until
from tests.support.scenarios import Scenario, execute, undisturbed, what_is_left
from tests.support.table_state import observe

FEW_LOCKS = {"max_locks_per_transaction": "10", "max_connections": "10"}
MANY = 12
"""So many indexes more, and a partition takes more locks than a look at the catalog."""

FEW_CONNECTIONS = {"max_connections": "8", "superuser_reserved_connections": "0"}
ADVICE = "out of shared memory. You might need to increase max_locks_per_transaction."


@contextmanager
def locks_taken(left: int) -> Iterator[None]:
    """Take every lock that the server has, but some."""
    with session("hoarder") as hoarder:
        with pytest.raises(OperationalError, match="out of shared memory"):
            hoarder.execute("SELECT count(pg_advisory_lock(n)) FROM generate_series(1, 1000000) n")
        hoarder.execute("SELECT count(pg_advisory_unlock(n)) FROM generate_series(1, %s) n", [left])
        yield
        hoarder.execute("SELECT pg_advisory_unlock_all()")


@contextmanager
def many_indexes() -> Iterator[None]:
    """Have what is made of the table, and what is taken off it, need many locks."""
    names = [f"limits_{number}" for number in range(MANY)]
    execute(*(f"CREATE INDEX {each} ON plant_measurement (value)" for each in names))
    try:
        yield
    finally:
        execute(*(f"DROP INDEX {each}" for each in names))


@contextmanager
def connections_taken(left: int) -> Iterator[None]:
    """Take every connection that the server allows, but some."""
    connection.close()
    with ExitStack() as stack:
        taken: list[Any] = []
        with pytest.raises(OperationalError, match="too many clients"):
            _take_connections(stack, taken)
        for each in taken[:left]:
            each.connection.close()
        wait_until(lambda: _hoarders(taken[-1]) == len(taken) - left)
        yield
        connection.close()


def _take_connections(stack: ExitStack, taken: list[Any]) -> None:
    while True:
        cursor = stack.enter_context(session("hoarder"))
        cursor.execute("SELECT 1")
        taken.append(cursor)


def _hoarders(cursor: Any) -> int:
    cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
    found: int = cursor.fetchone()[0]
    return found


@pytest.mark.parametrize(
    ("name", "is_hungry"),
    [
        ("create ahead", True),
        ("detach with a foreign key", True),
        ("attach", False),
        ("drop by hand", False),
    ],
)
def test_whatever_number_of_locks_is_left(
    name: str, is_hungry: bool, archive: str, database: OwnServer
) -> None:
    """First the run cannot begin; where its actions need more locks than a look at the catalog,
    they fail each for itself; then it ends well."""
    scenario = ALL_SCENARIOS[name](archive)
    seen: list[str] = []
    with many_indexes(), database.changed(**FEW_LOCKS):
        _, after = undisturbed(scenario)
        for left in count(0, 5):
            scenario.prepare()
            PartitionRun.objects.all().delete()
            with locks_taken(left), suppress(OperationalError, OperationFailed):
                scenario.operate()
            seen.append(_told(scenario))
            if after.difference(observe(scenario.model)):
                scenario.operate()
            assert not after.difference(observe(scenario.model)), left
            if seen[-1] == "done":
                break
    assert seen[0] in ("nothing", "run failed")
    assert "actions failed" in seen or not is_hungry


def test_a_task_that_fails_for_want_of_locks_is_sent_again(database: OwnServer) -> None:
    scenario = scenarios.create_ahead()
    with (
        many_indexes(),
        database.changed(**FEW_LOCKS),
        closing(CeleryInMemory()) as celery_in_memory,
    ):
        for left in count(0, 5):
            scenario.prepare()
            with locks_taken(left):
                is_sent_again = _is_sent_again(celery_in_memory)
            told = _told(scenario)
            assert is_sent_again is (told != "done")
            if told in ("done", "actions failed"):
                break
        assert told == "actions failed"


def _is_sent_again(celery_in_memory: CeleryInMemory) -> bool:
    try:
        celery_in_memory.run("maintain", "plant.measurement")
    except Retry:
        return True
    return False


def _told(scenario: Scenario) -> str:
    run = PartitionRun.objects.filter(model_label=scenario.model._meta.label_lower).first()
    if run is None:
        return "nothing"
    if run.outcome == Outcome.DONE:
        return "done"
    assert run.outcome == Outcome.FAILED
    if run.message:
        assert _unquoted(run.message) == ADVICE
        return "run failed"
    assert ADVICE in {_unquoted(each["detail"]) for each in run.actions}
    return "actions failed"


def _unquoted(words: str) -> str:
    """Servers before 17 name a setting without quotes."""
    return words.replace('"', "")


@pytest.mark.parametrize(
    ("name", "left"),
    [("create ahead", 0), ("create ahead", 1), ("detach with a foreign key", 2)],
)
def test_connections(name: str, left: int, database: OwnServer, archive: str) -> None:
    """A run needs two, and a concurrent detach three; it is recorded by the first that it gets."""
    scenario = ALL_SCENARIOS[name](archive)
    before, after = undisturbed(scenario)
    with database.changed(**FEW_CONNECTIONS):
        scenario.prepare()
        PartitionRun.objects.all().delete()
        with (
            connections_taken(left),
            pytest.raises(OperationalError, match="too many clients"),
        ):
            scenario.operate()
        runs = list(PartitionRun.objects.all())
        assert [each.outcome for each in runs] == [Outcome.FAILED] * bool(left)
        assert all("sorry, too many clients already" in each.message for each in runs)
        assert not list(what_is_left(scenario, before, after, "the refusal"))
