"""Workers that die, and time that is up, in the middle of a detach."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from celery import Celery
from celery.result import AsyncResult
from django.db import connection

from tests.acceptance.installation import Installation, Process, wait_until
from tests.acceptance.table import (
    READING,
    YEARS,
    children,
    config_of,
    is_rotated,
    neglect,
    parent_held,
    runs,
    task,
)
from tests.apps.plant.models import Reading

pytestmark = pytest.mark.usefixtures("database")

QUEUE = "losses"
BOLD: dict[str, Any] = {"LONG_TRANSACTION_MS": 600_000}
"""Begins to detach also where somebody has had the table for long, and so has to wait inside."""


@pytest.fixture(scope="module")
def survivor(installation: Installation) -> Iterator[Process]:
    """A worker that is there when another one has died."""
    with installation.worker("survivor", queue=QUEUE, **BOLD, LOCK_WAIT_SECONDS=10) as process:
        yield process


def test_a_worker_killed_in_the_middle_of_a_detach_is_replaced_by_another(
    client: Celery, installation: Installation
) -> None:
    neglect()
    with ExitStack() as stack:
        victim = stack.enter_context(
            installation.worker("victim", queue=QUEUE, **BOLD, LOCK_WAIT_SECONDS=60)
        )
        with parent_held():
            answer = _send(client)
            pending = wait_until(_pending, 20, victim)
            victim.kill()
            _notice_dead_clients()
            assert _pending() == pending
            assert runs(worker="victim@here") == []
        heir = stack.enter_context(installation.worker("heir", queue=QUEUE, visibility_seconds=1))
        result = _result(answer, heir)
    first = result["actions"][0]
    assert (first["action"], first["partition"], first["outcome"]) == ("finalize", pending, "done")
    (run,) = runs(worker="heir@here")
    assert run.task_id == answer.id
    _assert_all_is_well()


def test_a_killed_child_is_replaced_and_its_task_done_again(
    client: Celery, survivor: Process
) -> None:
    """Here the server does not notice that its client is dead, and goes on with the detach."""
    neglect()
    with parent_held():
        answer = _send(client)
        wait_until(_pending, 20, survivor)
        _kill_children(client, survivor)
        wait_until(lambda: "WorkerLostError" in survivor.said(), 20, survivor)
    assert _result(answer, survivor)["outcome"] in {"done", "unchanged"}
    _assert_all_is_well()


def test_a_soft_time_limit_ends_cleanly_and_the_next_run_finishes(
    client: Celery, survivor: Process
) -> None:
    """The task comes again under the same limit: the last of its runs may find all done."""
    neglect()
    with parent_held():
        answer = _send(client, soft_time_limit=3)
        (run,) = wait_until(lambda: runs(outcome="deferred"), 20, survivor)
        assert "SoftTimeLimitExceeded" in run.message
        assert run.task_id == answer.id
        assert [each["action"] for each in run.actions if each["outcome"] == "done"] == (
            ["create"] * 4
        )
    assert _result(answer, survivor)["outcome"] in {"done", "unchanged"}
    _assert_all_is_well()


def _send(client: Celery, **options: Any) -> AsyncResult[Any]:
    answer: AsyncResult[Any] = task(client, "maintain").apply_async(
        (READING,), queue=QUEUE, **options
    )
    return answer


def _result(answer: AsyncResult[Any], worker: Process) -> dict[str, Any]:
    wait_until(answer.ready, 40, worker)
    result: dict[str, Any] = answer.get(timeout=5)
    return result


def _pending() -> str | None:
    """Return the partition whose detach has begun and not ended."""
    return next((name for name, is_pending in children().items() if is_pending), None)


def _notice_dead_clients() -> None:
    """End the sessions of dead clients, as the server does by client_connection_check_interval."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
            " WHERE query LIKE '%DETACH PARTITION%' AND pid <> pg_backend_pid()"
        )


def _kill_children(client: Celery, worker: Process) -> None:
    name = f"{worker.name}@here"
    stats = client.control.inspect([name], timeout=5).stats() or {}
    for pid in stats[name]["pool"]["processes"]:
        os.kill(pid, signal.SIGKILL)


def _assert_all_is_well() -> None:
    assert is_rotated(), children()
    logs = config_of().logs.filter(is_attached=False)
    assert logs.count() == len(YEARS)
    assert set(config_of().logs.values_list("unfinished", flat=True)) == {""}
    values = [row for log in logs for row in _values(log.table_name)]
    assert sorted(values) == list(YEARS)
    assert Reading.objects.count() == 0


def _values(table: str) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT value FROM "{table}"')
        return [value for (value,) in cursor.fetchall()]
