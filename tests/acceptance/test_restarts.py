"""Redis and PostgreSQL go away and come back, and nobody touches a worker or the beat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.result import AsyncResult
from django.db import connection

from pg_timepart.models import PartitionConfig
from tests.acceptance.installation import Installation, Process, wait_until
from tests.acceptance.table import (
    READING,
    children,
    every,
    is_rotated,
    neglect,
    task,
    wait_for_a_look,
)
from tests.acceptance.writers import Writers, missing

pytestmark = pytest.mark.usefixtures("database", "worker", "beat")
A_DAY = 86_400
PREMAKE = 60


@pytest.fixture
def rotating(database: None, beat: Process, worker: Process) -> Iterator[None]:
    """A table that is looked at every second, by then."""
    neglect()
    every(1)
    wait_for_a_look(timeout_seconds=20)
    wait_until(is_rotated)
    yield
    connection.close()
    every(A_DAY)


@pytest.mark.usefixtures("rotating")
def test_redis_is_restarted_and_work_goes_on(
    client: Celery, installation: Installation, worker: Process, beat: Process
) -> None:
    """What waited in the queue, and what a worker had taken already, is done afterwards."""
    said = len(worker.said())
    taken = [_send(client, countdown=1.5) for _ in range(5)]
    wait_until(lambda: all(each.id in worker.said() for each in taken), 20, worker)
    queued = [_send(client) for _ in range(10)]
    installation.restart_redis()
    _assert_all_end_well([*taken, *queued], worker)
    assert "Connection to broker lost" in worker.said()[said:]
    wait_for_a_look(timeout_seconds=40, times=2)
    assert beat.is_alive()
    neglect()
    _assert_all_end_well([_send(client)], worker)
    wait_until(is_rotated, 20, worker)


@pytest.mark.usefixtures("rotating")
def test_postgresql_crashes_under_load_and_work_goes_on(
    client: Celery, installation: Installation, worker: Process, beat: Process
) -> None:
    with Writers(4).at_work() as writers:
        wait_until(lambda: len(writers.acknowledged) > 100)
        PartitionConfig.objects.filter(model_label=READING).update(premake=PREMAKE)
        said = len(worker.said())
        answers = [_send(client) for _ in range(10)]
        wait_until(lambda: len(children()) > 10, 20, worker)
        connection.close()
        installation.crash_postgres()
        before = len(writers.acknowledged)
        wait_until(lambda: writers.losses > 10)
        wait_until(lambda: "retry: Retry in" in worker.said()[said:], 20, worker)
        installation.restart_postgres()
        wait_until(lambda: len(writers.acknowledged) > before + 100)
        _assert_all_end_well(answers, worker)
        wait_for_a_look(timeout_seconds=40, times=3)
    assert beat.is_alive()
    assert writers.refused == []
    assert missing(writers.acknowledged) == set()
    assert len(children()) == PREMAKE + 2
    assert not any(children().values())


def _send(client: Celery, **options: Any) -> AsyncResult[Any]:
    answer: AsyncResult[Any] = task(client, "maintain").apply_async((READING,), **options)
    return answer


def _assert_all_end_well(answers: list[AsyncResult[Any]], worker: Process) -> None:
    for each in answers:
        wait_until(each.ready, 40, worker)
        assert each.successful(), f"{each.result!r} {_words_on(each.id, worker)}"
        assert each.get(timeout=5)["outcome"] in {"done", "unchanged"}


def _words_on(task_id: str, worker: Process) -> str:
    return "\n".join(line for line in worker.said().splitlines() if task_id in line)
