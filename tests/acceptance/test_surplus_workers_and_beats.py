"""More workers, more beats and more messages than needed give the result of one of each."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from celery import Celery
from celery.result import AsyncResult

from pg_timepart.maintenance import maintain
from tests.acceptance.installation import Installation, Process, wait_until
from tests.acceptance.table import (
    READING,
    entry_of,
    every,
    is_rotated,
    neglect,
    runs,
    wait_for_a_look,
)
from tests.apps.plant.models import Reading
from tests.support.checkout import CHECKOUT
from tests.support.table_state import State, observe

pytestmark = pytest.mark.usefixtures("database")
A_DAY = 86_400
SENDERS = 4
EACH = 50
SENDING = f"""
import json, django
django.setup()
from tests.celery_app import app
from pg_timepart import tasks
print(json.dumps([tasks.maintain.delay({READING!r}).id for _ in range({EACH})]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SurplusProcesses:
    """All who are at work."""

    workers: list[Process]
    beats: list[Process]


@pytest.fixture(scope="module")
def surplus(
    installation: Installation, worker: Process, beat: Process
) -> Iterator[SurplusProcesses]:
    """Four workers and two beats."""
    names = [f"extra-{number}" for number in range(3)]
    with ExitStack() as stack:
        second = stack.enter_context(installation.beat("second-beat"))
        extras = [stack.enter_context(installation.worker(name)) for name in names]
        yield SurplusProcesses(workers=[worker, *extras], beats=[beat, second])


@pytest.fixture
def undisturbed(database: None) -> State:
    """What one pass, alone, makes of a neglected table."""
    neglect()
    maintain.maintain(READING)
    assert is_rotated()
    state = observe(Reading)
    neglect()
    return state


def test_two_hundred_duplicates_leave_the_catalog_as_one_call_would(
    client: Celery, installation: Installation, surplus: SurplusProcesses, undisturbed: State
) -> None:
    before = [_times(each, "received") for each in surplus.workers]
    ids = _send_from_several_processes(installation)
    assert len(set(ids)) == SENDERS * EACH
    results = [_result(client, each) for each in ids]
    outcomes = [each["outcome"] for each in results]
    assert set(outcomes) == {"done", "unchanged"}
    done = [action for each in results for action in each["actions"]]
    assert len({each["partition"] for each in done}) == len(done)
    assert undisturbed.difference(observe(Reading)) == ""
    assert runs(outcome="failed") == []
    after = [_times(each, "received") for each in surplus.workers]
    assert all(more > less for less, more in zip(before, after, strict=True))


def test_two_beats_and_four_workers_give_the_result_of_one_of_each(
    surplus: SurplusProcesses, undisturbed: State
) -> None:
    entry = every(1)
    before = [_times(each, "Sending due task") for each in surplus.beats]
    try:
        wait_until(is_rotated, 20)
        for beat, number in zip(surplus.beats, before, strict=True):
            wait_until(lambda: _times(beat, "Sending due task") > number + 1, 20, beat)  # noqa: B023
        wait_for_a_look(times=2)
    finally:
        every(A_DAY)
    assert undisturbed.difference(observe(Reading)) == ""
    assert runs(outcome="failed") == []
    done = [action for each in runs(outcome="done") for action in each.actions]
    assert len({each["partition"] for each in done}) == len(done) == 7
    assert {each.started_by for each in runs()} == {f"beat: {entry_of().name}"}
    assert entry.pk == entry_of().pk


def _send_from_several_processes(installation: Installation) -> list[str]:
    senders = [
        subprocess.Popen(
            [sys.executable, "-c", SENDING],
            cwd=CHECKOUT,
            env=installation.environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(SENDERS)
    ]
    answers = [each.communicate(timeout=30)[0] for each in senders]
    return [task_id for answer in answers for task_id in json.loads(answer)]


def _result(client: Celery, task_id: str) -> dict[str, Any]:
    answer: AsyncResult[dict[str, Any]] = AsyncResult(task_id, app=client)
    wait_until(answer.ready, 40)
    return answer.get(timeout=5)


def _times(process: Process, words: str) -> int:
    """Return how often the process said so."""
    return process.said().count(words)
