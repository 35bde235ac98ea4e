"""A worker and a beat at work, with nobody touching anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import UUID

import pytest
from celery import Celery
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from redis import Redis

from pg_timepart.errors import UnknownName
from tests.acceptance.installation import Installation, Process, wait_until
from tests.acceptance.table import (
    READING,
    YEARS,
    config_of,
    entry_of,
    every,
    is_rotated,
    neglect,
    runs,
    task,
    wait_for_a_look,
    wanted,
)
from tests.apps.plant.models import Measurement, Reading, Shift

pytestmark = pytest.mark.usefixtures("database", "worker", "beat")
A_DAY = 86_400


@pytest.fixture
def no_schedule_left(database: None) -> Iterator[None]:
    yield
    for model in (Reading, Shift):
        every(A_DAY, model)


@pytest.mark.usefixtures("no_schedule_left")
def test_rotation_happens_on_schedule_and_says_who_did_it(worker: Process) -> None:
    neglect()
    entry = every(1)
    wait_until(is_rotated, 30, worker)
    (run,) = wait_until(lambda: runs(outcome="done"))
    assert (run.operation, run.outcome) == ("maintain", "done")
    assert run.started_by == f"beat: {entry.name}"
    assert run.worker == "usual@here"
    assert str(UUID(run.task_id)) == run.task_id
    assert {each["action"] for each in run.actions} == {"create", "detach"}
    assert config_of().logs.filter(is_attached=False).count() == len(YEARS)
    Reading.objects.create(at=timezone.now(), value=1)
    wait_for_a_look(times=2)
    assert len(runs(outcome="done")) == 1


@pytest.mark.usefixtures("no_schedule_left")
def test_a_schedule_changed_in_the_database_is_followed_within_seconds(worker: Process) -> None:
    neglect()
    every(1, Shift)
    wait_for_a_look(Shift, times=2)
    assert runs() == []
    every(1)
    wait_until(is_rotated, 20, worker)
    config = config_of()
    config.enabled = False
    config.save()
    assert not entry_of().enabled
    wait_for_a_look(Shift, times=2)
    seen = config_of().last_checked_at
    wait_for_a_look(Shift, times=2)
    assert config_of().last_checked_at == seen


def test_a_deleted_entry_comes_back_when_a_beat_starts(installation: Installation) -> None:
    entry_of(Shift).delete()
    with installation.beat("newcomer") as newcomer:
        wait_until(lambda: PeriodicTask.objects.filter(args='["plant.shift"]'), 20, newcomer)
    assert entry_of(Shift).enabled


def test_one_broken_table_stops_no_other(client: Celery) -> None:
    for model in (Reading, Measurement):
        neglect(model)
    _execute("ALTER TABLE plant_shift RENAME TO plant_shift_kept")
    _execute("CREATE TABLE plant_shift (LIKE plant_shift_kept)")
    try:
        sent = task(client, "maintain_all").delay().get(timeout=20)
        assert sent["outcome"] == "done"
        assert {"plant.reading", "plant.measurement", "plant.shift"} <= set(sent["sent"])
        wait_until(lambda: is_rotated(Reading) and is_rotated(Measurement))
        (run,) = wait_until(lambda: runs(Shift, outcome="failed"))
    finally:
        _execute("DROP TABLE plant_shift")
        _execute("ALTER TABLE plant_shift_kept RENAME TO plant_shift")
    assert "plant_shift" in run.message
    assert "not partitioned" in run.message
    assert config_of(Shift).last_outcome == "failed"
    assert task(client, "maintain").delay("plant.shift").get(timeout=20)["outcome"] != "failed"


def test_results_are_json_in_the_result_backend(client: Celery, installation: Installation) -> None:
    neglect()
    answer = task(client, "maintain").delay(READING)
    result = answer.get(timeout=20)
    with Redis.from_url(installation.redis.url) as redis:
        stored = json.loads(redis.get(f"celery-task-meta-{answer.id}"))
    assert stored["status"] == "SUCCESS"
    assert stored["result"] == result
    assert (result["model"], result["outcome"]) == (READING, "done")
    created = [each["partition"] for each in result["actions"] if each["action"] == "create"]
    assert created == wanted()
    again = task(client, "maintain").delay(READING).get(timeout=20)
    assert (again["outcome"], again["actions"]) == ("unchanged", [])


def test_a_wrong_label_fails_at_once_with_the_known_ones(client: Celery) -> None:
    with pytest.raises(UnknownName, match=r"'plant\.readng'.*Known: .*plant\.reading"):
        task(client, "maintain").delay("plant.readng").get(timeout=20)


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
