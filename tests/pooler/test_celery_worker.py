"""A real Celery worker behind the pooler, beside an application that writes all the time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.result import AsyncResult

from pg_timepart.maintenance import maintain
from pg_timepart.maintenance.target import target_of
from tests.acceptance.installation import Process, wait_until
from tests.acceptance.table import is_rotated, neglect, runs, task
from tests.acceptance.writers import Writers, missing
from tests.apps.plant.models import Measurement, Reading, Shift
from tests.pooler.pooled_deployment import PooledInstallation
from tests.pooler.session_leaks import leaks
from tests.pooler.table import label_of, parent_held
from tests.support.processes import session
from tests.support.scenarios import pending
from tests.support.table_state import State, locked_tables, observe

EACH = 4
PATIENT: dict[str, Any] = {"LONG_TRANSACTION_MS": 600_000, "LOCK_WAIT_SECONDS": 30}
TABLES = (Measurement, Shift)
"""Those that nobody writes to, so that they can be compared."""


@pytest.fixture(scope="module")
def worker(installation: PooledInstallation) -> Iterator[Process]:
    """Four processes, which need more server connections than the pool has."""
    with installation.worker("pooled", concurrency=4, **PATIENT) as process:
        yield process


@pytest.fixture
def undisturbed(server: PooledInstallation) -> dict[Any, State]:
    """What one pass, alone and without a pooler, makes of neglected tables."""
    return {model: _passed(model) for model in TABLES}


def test_many_tasks_end_as_one_of_each_would(
    server: PooledInstallation, client: Celery, worker: Process, undisturbed: dict[Any, State]
) -> None:
    for model in (Reading, *TABLES):
        neglect(model)
    with server.through():
        writers = Writers(2)
    maintain.provision(target_of(Reading))
    with writers.at_work():
        sent = [_send(client, model) for _ in range(EACH) for model in (Reading, *TABLES)]
        _assert_all_end_well(sent, worker)
        wait_until(lambda: len(writers.acknowledged) > 50)
    assert is_rotated()
    assert [wanted.difference(observe(model)) for model, wanted in undisturbed.items()] == ["", ""]
    assert (writers.refused, writers.losses) == ([], 0)
    assert missing(writers.acknowledged) == set()
    assert runs(outcome="failed") == []
    assert leaks(server) == []


def test_the_pooler_is_restarted_under_a_worker(
    server: PooledInstallation, client: Celery, worker: Process
) -> None:
    neglect()
    with server.through():
        writers = Writers(2)
    maintain.provision(target_of(Reading))
    said = len(worker.said())
    with writers.at_work(), session("onlooker") as onlooker:
        with parent_held():
            answer = _send(client, Reading)
            wait_until(lambda: pending(Reading), 20, worker)
            server.restart_pooler()
            wait_until(lambda: "retry: Retry in" in worker.said()[said:], 20, worker)
            wait_until(lambda: locked_tables(onlooker) == [], 20, worker)
        before = len(writers.acknowledged)
        _assert_all_end_well([answer], worker)
        wait_until(lambda: len(writers.acknowledged) > before + 20)
    assert is_rotated()
    assert writers.refused == []
    assert missing(writers.acknowledged) == set()
    assert leaks(server) == []


def test_a_worker_that_goes_past_the_pooler(server: PooledInstallation, client: Celery) -> None:
    neglect()
    options = {**PATIENT, "MAINTENANCE_DATABASES": {"default": "direct"}}
    with server.worker("direct", queue="direct", **options) as worker:
        with parent_held(), session("onlooker") as onlooker:
            answer = _send(client, Reading, queue="direct")
            wait_until(lambda: pending(Reading), 20, worker)
            onlooker.execute("SELECT pid FROM pg_locks WHERE locktype = 'advisory'")
            (holder,) = onlooker.fetchall()
            assert holder[0] not in server.pooled_pids()
        _assert_all_end_well([answer], worker)
    assert is_rotated()


def _passed(model: Any) -> State:
    neglect(model)
    maintain.maintain(label_of(model))
    return observe(model)


def _send(client: Celery, model: Any, **options: Any) -> AsyncResult[Any]:
    answer: AsyncResult[Any] = task(client, "maintain").apply_async((label_of(model),), **options)
    return answer


def _assert_all_end_well(answers: list[AsyncResult[Any]], worker: Process) -> None:
    for each in answers:
        wait_until(each.ready, 60, worker)
        assert each.get(timeout=5)["outcome"] in {"done", "unchanged"}
