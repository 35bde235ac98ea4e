"""Hosts whose clocks are wrong, by an hour or a day, work on the same tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any

import pytest
from celery import Celery
from django.db import models
from django.utils import timezone

from pg_timepart.maintenance import maintain
from pg_timepart.models import PartitionRun
from tests.acceptance.installation import (
    Installation,
    Process,
    wait_until,
)
from tests.acceptance.sent_passes import send_pass
from tests.acceptance.table import (
    READING,
    children,
    config_of,
    entry_of,
    every,
    is_rotated,
    neglect,
    runs,
    wait_for_a_look,
)
from tests.acceptance.writers import Writers, missing
from tests.apps.plant.models import Measurement, Reading
from tests.support.clocks import Clock
from tests.support.table_state import State, observe, reset_table

pytestmark = pytest.mark.usefixtures("database")
A_DAY = 86_400
AN_HOUR = timedelta(hours=1)
A_MOMENT = timedelta(minutes=1)
OLD = 6


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    """Servers of our own: no worker and no beat of another test sees them."""
    with Installation.migrated() as installation:
        yield installation


@pytest.fixture(scope="module")
def ahead(installation: Installation) -> Clock:
    return Clock(installation.folder / "ahead", AN_HOUR)


@pytest.fixture(scope="module")
def behind(installation: Installation) -> Clock:
    return Clock(installation.folder / "behind", -AN_HOUR)


@pytest.fixture(scope="module")
def worker_ahead(installation: Installation, ahead: Clock) -> Iterator[Process]:
    with installation.worker("ahead", clock=ahead) as process:
        yield process


@pytest.fixture
def no_schedule_left(installation: Installation, database: None) -> Iterator[None]:
    """Leave no pass behind that would meet what the next test prepares."""
    yield
    every(A_DAY)
    installation.wait_until_idle()


@pytest.fixture
def undisturbed(database: None) -> State:
    """What one pass makes of a neglected table, by a host with the right clock."""
    neglect()
    maintain.maintain(READING)
    assert is_rotated()
    state = observe(Reading)
    neglect()
    return state


def minutely() -> set[str]:
    """Leave a table whose partitions last a minute as if nobody had looked for some.

    Returns what there is of it.
    """
    reset_table(Reading, period="Minute", premake=5, interval=2)
    now = timezone.now()
    Reading.partitioning.create_range(now - timedelta(minutes=OLD), now)
    return set(children())


def times(process: Process, words: str) -> int:
    return process.said().count(words)


def assert_is_now(moment: datetime | None) -> None:
    """By the server's clock, which is right."""
    assert moment is not None
    assert abs(moment - timezone.now()) < A_MOMENT


def assert_the_clock_behind_failed(failed: list[PartitionRun], worker: str) -> None:
    """A worker an hour behind retires nothing, and says why; another one does it."""
    sentence = "The clock of the server is 1:00:00 ahead of this host's"
    assert {each.worker for each in failed} <= {worker}
    assert all(sentence in each.message for each in failed)


@pytest.mark.usefixtures("no_schedule_left")
def test_a_beat_behind_is_followed_by_a_worker_ahead(
    installation: Installation, behind: Clock, worker_ahead: Process
) -> None:
    """Two hours lie between the expiry that one writes and the clock by which the other reads."""
    minutely()
    every(1)
    with installation.beat("behind", clock=behind) as beat:
        wait_until(lambda: "Sending due task" in beat.said(), 20, beat)
        wait_for_a_look(timeout_seconds=20, times=2)
    assert len(children()) >= 2 + 1 + 5
    assert runs(outcome="failed") == []


@pytest.mark.usefixtures("no_schedule_left")
def test_hosts_two_hours_apart_do_what_one_with_the_right_clock_does(
    installation: Installation,
    ahead: Clock,
    behind: Clock,
    worker_ahead: Process,
    undisturbed: State,
) -> None:
    with ExitStack() as stack:
        stack.enter_context(installation.worker("behind", clock=behind))
        beats = [
            stack.enter_context(installation.beat(f"beat-{name}", clock=clock))
            for name, clock in (("ahead", ahead), ("behind", behind))
        ]
        entry = every(1)
        wait_until(is_rotated, 30)
        writers = stack.enter_context(Writers(1).at_work())
        wait_until(lambda: any(times(each, "Sending due task") > 1 for each in beats))
        wait_for_a_look(timeout_seconds=40, times=2)
        assert is_rotated()
        assert_is_now(config_of().last_checked_at)
    assert (writers.losses, missing(writers.acknowledged)) == (0, set())
    Reading.objects.filter(at__gt=timezone.now() - timedelta(hours=1)).delete()
    assert undisturbed.difference(observe(Reading)) == ""
    actions = [action for run in runs() for action in run.actions]
    done = [each["partition"] for each in actions if each["outcome"] == "done"]
    assert len(set(done)) == len(done) == 7
    assert {each.outcome for each in runs()} <= {"done", "deferred", "failed"}
    assert_the_clock_behind_failed(runs(outcome="failed"), "behind@here")
    for run in runs():
        assert_is_now(run.started_at)
        assert run.started_by == f"beat: {entry.name}"
    for log in config_of().logs.filter(is_attached=False):
        assert log.detached_at is not None
        assert -A_MOMENT < log.detached_at - timezone.now() < AN_HOUR


def test_a_worker_behind_makes_room_and_takes_nothing_away_that_is_not_due_there(
    client: Celery, installation: Installation, behind: Clock, worker_ahead: Process
) -> None:
    before = minutely()
    with installation.worker("late", queue="late", clock=behind) as late:
        answer = send_pass(client, queue="late")
        wait_until(answer.ready, 20, late)
    result = answer.get(timeout=5)
    assert (result["outcome"], {each["action"] for each in result["actions"]}) == (
        "failed",
        {"create"},
    )
    assert before < set(children())
    # One or two: a worker two hours ahead takes a message just taken for one that was left behind.
    failed = runs(outcome="failed")
    assert failed
    assert_the_clock_behind_failed(failed, "late@here")
    again = send_pass(client)
    wait_until(again.ready, 20, worker_ahead)
    done = again.get(timeout=5)
    assert done["outcome"] == "done"
    assert "detach" in {each["action"] for each in done["actions"]}
    assert config_of().last_outcome == "done"


@pytest.mark.usefixtures("no_schedule_left")
def test_a_beat_too_far_behind_sends_in_vain_until_its_clock_is_set(
    installation: Installation, worker_ahead: Process
) -> None:
    """Five hours lie between the clocks, and messages live for three."""
    before = minutely()
    every(1)
    clock = Clock(installation.folder / "far-behind", timedelta(hours=-4))
    with installation.beat("far-behind", clock=clock) as beat:
        wait_until(lambda: "Discarding revoked task" in worker_ahead.said(), 20, beat)
        assert runs(operation="maintain") == []
        assert set(children()) == before
        clock.set(timedelta())
        wait_for_a_look()
    assert set(children()) != before
    assert runs(outcome="failed") == []


@pytest.mark.usefixtures("no_schedule_left", "worker_ahead")
def test_a_beat_whose_clock_jumps_ahead_sends_once_what_is_due_by_then(
    installation: Installation,
) -> None:
    for model in (Reading, Measurement):
        neglect(model)
    maintain.maintain(READING)
    before = children()
    every(A_DAY)
    every(1, Measurement)
    clock = Clock(installation.folder / "jumping-ahead")
    with installation.beat("jumping-ahead", clock=clock) as beat:
        _wait_until_sent(beat, Measurement)
        already, seen = _times_sent(beat, Reading), config_of().last_checked_at
        clock.set(timedelta(days=1, minutes=1))
        wait_until(lambda: _times_sent(beat, Reading) > already, 20, beat)
        wait_until(lambda: config_of().last_checked_at != seen, 20, beat)
        _wait_until_sent(beat, Measurement)
        assert _times_sent(beat, Reading) == already + 1
    every(A_DAY, Measurement)
    assert children() == before
    assert runs(outcome="failed") == []


def _times_sent(beat: Process, model: type[models.Model]) -> int:
    return times(beat, f"Sending due task pg_timepart: maintain {model._meta.label_lower}")


def _wait_until_sent(beat: Process, model: type[models.Model], further: int = 3) -> None:
    already = _times_sent(beat, model)
    wait_until(lambda: _times_sent(beat, model) >= already + further, 20, beat)


@pytest.mark.usefixtures("no_schedule_left", "worker_ahead")
def test_a_beat_whose_clock_was_set_back_goes_on_when_it_starts_again(
    installation: Installation,
) -> None:
    """While it runs, Celery's beat waits until its clock has caught up: deploy.probe says so."""
    neglect()
    every(1)
    clock = Clock(installation.folder / "beat-clock", timedelta(days=1))
    with installation.beat("jumping", clock=clock) as beat:
        wait_until(lambda: times(beat, "Sending due task") > 1, 20, beat)
        wait_until(_is_sent_in_the_future, 20, beat)
    clock.set(timedelta())
    with installation.beat("set-back", clock=clock) as beat:
        wait_until(lambda: times(beat, "Sending due task") > 1, 20, beat)
        wait_for_a_look(times=2)


def _is_sent_in_the_future() -> bool:
    """Return whether beat has written that down, as it does when the schedule changes."""
    every(1)
    last = entry_of().last_run_at
    return last is not None and last > timezone.now() + timedelta(hours=23)


def test_status_is_right_on_a_host_whose_clock_is_wrong(installation: Installation) -> None:
    neglect()
    maintain.maintain(READING)
    arguments = ("-m", "django", "timepart", "status", READING, "--json")
    clock = Clock(installation.folder / "status-clock", timedelta(days=1))
    told = [json.loads(installation.run(*arguments, clock=each))[0] for each in (None, clock)]
    assert told[1]["health"] == "ok"
    assert_is_now(datetime.fromisoformat(told[1]["read_at"]))
    assert _steady(told[0]) == _steady(told[1])


def _steady(told: dict[str, Any]) -> dict[str, Any]:
    """Return what does not change from moment to moment."""
    return {name: each for name, each in told.items() if name not in {"read_at", "runway_seconds"}}
