"""Maintenance passes sent by a client, and how they end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from celery import Celery
from celery.result import AsyncResult

from tests.acceptance.installation import Process, wait_until
from tests.acceptance.table import READING, task


def send_pass(client: Celery, **options: Any) -> AsyncResult[Any]:
    """Send a pass on the usual table."""
    answer: AsyncResult[Any] = task(client, "maintain").apply_async((READING,), **options)
    return answer


def assert_all_end_well(
    answers: Iterable[AsyncResult[Any]], worker: Process, *, handed_over: int = 0
) -> None:
    """Wait for all of them, and fail where one did not do what it should.

    Celery takes a message out of Redis before it writes there that it has it: where Redis stops
    between the two, it is lost. So many may be, one for each worker.
    """
    ended = list(answers)
    wait_until(lambda: sum(not each.ready() for each in ended) <= handed_over, 60, worker)
    for each in ended:
        if each.ready():
            assert each.successful(), f"{each.result!r} {_words_on(each.id, worker)}"
            assert each.get(timeout=5)["outcome"] in {"done", "unchanged"}


def _words_on(task_id: str, worker: Process) -> str:
    return "\n".join(line for line in worker.said().splitlines() if task_id in line)
