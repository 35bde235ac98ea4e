"""Redis and PostgreSQL go away and come back, and nobody touches a worker or the beat."""

from __future__ import annotations

import pytest
from celery import Celery
from django.db import connection

from pg_timepart.models import PartitionConfig
from tests.acceptance.installation import Installation, Process, wait_until
from tests.acceptance.sent_passes import assert_all_end_well, send_pass
from tests.acceptance.table import (
    READING,
    children,
    is_rotated,
    neglect,
    wait_for_a_look,
)
from tests.acceptance.writers import Writers, missing

pytestmark = pytest.mark.usefixtures("database", "worker", "beat")
PREMAKE = 60


@pytest.mark.usefixtures("rotating")
def test_redis_is_restarted_and_work_goes_on(
    client: Celery, installation: Installation, worker: Process, beat: Process
) -> None:
    """What waited in the queue, and what a worker had taken already, is done afterwards."""
    said = len(worker.said())
    taken = [send_pass(client, countdown=1.5) for _ in range(5)]
    wait_until(lambda: all(each.id in worker.said() for each in taken), 20, worker)
    queued = [send_pass(client) for _ in range(10)]
    installation.restart_redis()
    assert_all_end_well(taken, worker)
    assert_all_end_well(queued, worker, handed_over=1)
    assert "Connection to broker lost" in worker.said()[said:]
    wait_for_a_look(timeout_seconds=40, times=2)
    assert beat.is_alive()
    neglect()
    assert_all_end_well([send_pass(client)], worker)
    wait_until(is_rotated, 20, worker)


@pytest.mark.usefixtures("rotating")
def test_postgresql_crashes_under_load_and_work_goes_on(
    client: Celery, installation: Installation, worker: Process, beat: Process
) -> None:
    with Writers(4).at_work() as writers:
        wait_until(lambda: len(writers.acknowledged) > 100)
        PartitionConfig.objects.filter(model_label=READING).update(premake=PREMAKE)
        said = len(worker.said())
        answers = [send_pass(client) for _ in range(10)]
        wait_until(lambda: len(children()) > 10, 20, worker)
        connection.close()
        installation.crash_postgres()
        before = len(writers.acknowledged)
        wait_until(lambda: writers.losses > 10)
        wait_until(lambda: "retry: Retry in" in worker.said()[said:], 20, worker)
        installation.restart_postgres()
        wait_until(lambda: len(writers.acknowledged) > before + 100)
        assert_all_end_well(answers, worker)
        wait_for_a_look(timeout_seconds=40, times=3)
    assert beat.is_alive()
    assert writers.refused == []
    assert missing(writers.acknowledged) == set()
    assert len(children()) == PREMAKE + 2
    assert not any(children().values())
