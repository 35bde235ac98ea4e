"""Redis is away for a while, and a worker that ends with it is started again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.result import AsyncResult
from redis import Redis

from pg_timepart.models import PartitionConfig
from tests.acceptance.installation import Installation, Process, wait_until
from tests.acceptance.sender_process import Sender
from tests.acceptance.sent_passes import assert_all_end_well, send_pass
from tests.acceptance.table import (
    READING,
    children,
    is_rotated,
    neglect,
    parent_held,
    runs,
    wait_for_a_look,
)
from tests.acceptance.writers import Writers, missing

pytestmark = pytest.mark.usefixtures("database")
A_MINUTE = 60
LONGEST_DELAY_SECONDS = {"stopped": 45, "silent": 90}
"""How long ``.delay()`` may take to say that there is no broker: by its settings, 20 and 60."""

LONGEST_FORGETFUL_SECONDS = {"stopped": 10, "silent": 45}
"""The same where there is no result backend: by its settings, 1 and 20."""

LONGEST_ADMIN_SECONDS = 15
"""How long a page of the admin may take; by its settings, 6."""

LOSING = "broker"
SENDERS = {
    "delay": "tests.acceptance.sender_settings",
    "forget": "tests.acceptance.settings_without_results",
    "admin": "tests.acceptance.sender_settings",
}
PREMAKE = 6


@contextmanager
def stopped(installation: Installation) -> Iterator[None]:
    """Redis refuses connections."""
    installation.stop_redis()
    yield
    installation.start_redis()


@contextmanager
def silent(installation: Installation) -> Iterator[None]:
    """Redis takes connections, and answers nothing."""
    with frozen(installation.redis.pid):
        yield


@pytest.mark.parametrize(
    ("away", "seconds"),
    [
        (stopped, 10),
        pytest.param(stopped, A_MINUTE, marks=pytest.mark.long),
        pytest.param(silent, A_MINUTE, marks=pytest.mark.long),
    ],
)
@pytest.mark.usefixtures("rotating")
def test_broker_is_away_and_nothing_is_lost(
    client: Celery,
    installation: Installation,
    worker: Process,
    beat: Process,
    away: Callable[[Installation], AbstractContextManager[None]],
    seconds: int,
) -> None:
    with Writers(2).at_work() as writers, _senders(installation) as senders:
        taken = [send_pass(client, countdown=2) for _ in range(3)]
        wait_until(lambda: all(each.id in worker.said() for each in taken), 20, worker)
        with away(installation):
            gone_at, before = time.monotonic(), len(writers.acknowledged)
            wait_until(lambda: time.monotonic() > gone_at + seconds, seconds + 5, worker)
            wait_until(lambda: all(senders[way].errors() for way in ("forget", "admin")))
            assert seconds < A_MINUTE or senders["delay"].errors()
            assert len(writers.acknowledged) > before + seconds
        for sender in senders.values():
            sent = len(sender.sent())
            wait_until(lambda: len(sender.sent()) > sent + 1, 90)  # noqa: B023
        wait_for_a_look(timeout_seconds=60, times=2)
        PartitionConfig.objects.filter(model_label=READING).update(premake=PREMAKE)
        wait_until(lambda: len(children()) == PREMAKE + 2, 20, beat)
        ids = [each for sender in senders.values() for each in sender.sent()]
    _assert_they_were_told_in_time(senders, away.__name__)
    sent_meanwhile = [AsyncResult[Any](each, app=client) for each in ids]
    assert_all_end_well(taken, worker)
    assert_all_end_well(sent_meanwhile, worker, handed_over=1)
    assert beat.is_alive()
    assert (writers.losses, missing(writers.acknowledged)) == (0, set())
    assert runs(outcome="failed") == []


def test_a_worker_that_ends_with_its_broker_is_started_again_and_nothing_is_lost(
    client: Celery, installation: Installation
) -> None:
    """Kombu 5.7 cannot close a channel that has something to give back, and whose queue it waits
    at, where another connection was closed before: Celery 5.7 ends, and here it must."""
    neglect()
    losing = installation.worker(
        LOSING,
        queue=LOSING,
        concurrency=2,
        is_supervised=True,
        visibility_seconds=10,
        LONG_TRANSACTION_MS=600_000,
        LOCK_WAIT_SECONDS=4,
    )
    with losing as worker:
        with parent_held():
            answer = send_pass(client, queue=LOSING)
            wait_until(lambda: any(children().values()), 20, worker)
            first = _supervised_process(worker)
            assert first is not None
            with frozen(first):
                _close_subscriptions(installation)
                installation.stop_redis()
            wait_until(lambda: "Connection to broker lost" in worker.said(), 20, worker)
            installation.start_redis()
        assert_all_end_well([answer], worker)
        assert_all_end_well([send_pass(client, queue=LOSING)], worker)
        assert is_rotated()
        assert runs(outcome="failed") == []
        assert _supervised_process(worker) == first or "ended with status 1" in worker.said()


@contextmanager
def _senders(installation: Installation) -> Iterator[dict[str, Sender]]:
    """Two programmers and a person, each of whom has sent something already."""
    environ = installation.environment()
    senders = {
        way: Sender(
            way, READING, installation.folder, {**environ, "DJANGO_SETTINGS_MODULE": settings}
        )
        for way, settings in SENDERS.items()
    }
    try:
        for each in senders.values():
            wait_until(each.sent, 40)
        yield senders
    finally:
        for each in senders.values():
            each.end()


def _assert_they_were_told_in_time(senders: dict[str, Sender], fault: str) -> None:
    assert all("broker cannot be reached" in each for each in senders["admin"].errors())
    assert all(each.startswith("OperationalError") for each in senders["forget"].errors())
    longest = {way: sender.longest_seconds() for way, sender in senders.items()}
    assert longest["admin"] < LONGEST_ADMIN_SECONDS
    assert longest["forget"] < LONGEST_FORGETFUL_SECONDS[fault]
    assert longest["delay"] < LONGEST_DELAY_SECONDS[fault]


def _supervised_process(worker: Process) -> int | None:
    """Return the process that the supervisor runs right now."""
    supervisor = worker.popen.pid
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return int(children[0]) if children else None


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Keep the process from all work, as on a busy machine, so that it sees all at once after."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _close_subscriptions(installation: Installation) -> None:
    """Have the broker close these connections first, as it does in one of two cases."""
    with Redis.from_url(installation.redis.url) as redis:
        redis.client_kill_filter(_type="pubsub")
