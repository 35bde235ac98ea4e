"""The clock of the PostgreSQL server, which plans the passes, jumps by a day and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from django.db import connection, models
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from deploy.local.folders import scratch_folder
from pg_timepart.errors import OperationDeferred, OperationFailed
from pg_timepart.maintenance import maintain
from pg_timepart.maintenance.report import Report
from pg_timepart.models import PartitionConfig, PartitionLog, PartitionRun
from pg_timepart.status import Health, status_of
from tests.acceptance.installation import Installation
from tests.acceptance.table import READING, children, config_of, parent_held
from tests.apps.plant.models import Reading
from tests.support.clocks import Clock
from tests.support.processes import forked, session, wait_until
from tests.support.scenarios import execute
from tests.support.table_state import State, observe, reset_table

A_DAY = timedelta(days=1)
PREMAKE = 3
KEPT = 4
OLD = 9
"""How many periods back the tables go: further than they are kept."""

PERIODS = {"Day": timedelta(days=1), "Hour": timedelta(hours=1)}
GRACE = timedelta(hours=12)

MAINTAIN = ("-m", "django", "timepart", "maintain", READING, "--json")
PATIENT = {"LOCK_BUDGET_MS": 1_000, "LOCK_WAIT_SECONDS": 3, "LONG_TRANSACTION_MS": 600_000}
"""Waits for so long at a time that the clock can be set meanwhile."""

LONGEST_WAIT_SECONDS = 15
"""Several times what a wait may last by these settings; a day would be it without care."""


@pytest.fixture(scope="module")
def clock() -> Iterator[Clock]:
    """The server's."""
    with scratch_folder() as folder:
        yield Clock(folder / "clock")


@pytest.fixture(scope="module")
def installation(clock: Clock) -> Iterator[Installation]:
    """A server that follows the clock."""
    with scratch_folder() as folder:
        with clock.inherited():
            installation = Installation(folder)
        try:
            installation.run("-m", "django", "migrate", "--verbosity=0")
            yield installation
        finally:
            installation.close()


@pytest.fixture(autouse=True)
def _right_at_first(
    installation: Installation, clock: Clock, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """The server as the default database, by the true time."""
    clock.set(timedelta())
    with django_db_blocker.unblock(), installation.database():
        yield


@pytest.fixture(params=PERIODS)
def rotated(request: pytest.FixtureRequest) -> State:
    """A table with a row in each period, after a pass: some of it is retired."""
    reset_table(Reading, period=request.param, premake=PREMAKE, interval=KEPT, drop_after=GRACE)
    now, length = server_time(), PERIODS[request.param]
    Reading.partitioning.create_range(now - OLD * length, now)
    Reading.objects.bulk_create(Reading(at=now - n * length, value=n) for n in range(OLD))
    assert maintain.maintain(READING).outcome == "done"
    assert retired().count() == OLD - KEPT
    return observe(Reading)


def server_time() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
        return moment


def retired() -> models.QuerySet[PartitionLog]:
    return config_of().logs.filter(is_attached=False)


def all_values() -> list[int]:
    """Return what is in the table and in what was retired."""
    kept = [row.value for row in Reading.objects.all()]
    with connection.cursor() as cursor:
        for log in retired():
            cursor.execute(f'SELECT value FROM "{log.table_name}"')
            kept += [value for (value,) in cursor.fetchall()]
    return sorted(kept)


def assert_takes_rows_now(clock: Clock, offset: timedelta) -> None:
    """By the server's clock, and by the true one."""
    clock.set(offset)
    Reading.objects.create(at=server_time(), value=100)
    Reading.objects.create(at=server_time() - offset, value=100)
    Reading.objects.filter(value=100).delete()


def test_a_day_ahead_takes_nothing_away_and_leaves_no_less_room(
    clock: Clock, rotated: State
) -> None:
    attached, until = set(children()), status_of(READING).runs_out_at
    assert until is not None
    clock.set(A_DAY)
    ahead = maintain.maintain(READING)
    assert (ahead.outcome, {each.kind.value for each in ahead.actions}) == ("failed", {"create"})
    assert "clock of the server is 1 day, 0:00:00 ahead of this host's" in ahead.reason
    run = PartitionRun.objects.latest("pk")
    assert (run.outcome, run.message) == ("failed", ahead.reason)
    assert run.started_at > server_time() - timedelta(minutes=1)
    assert status_of(READING).health is Health.WARNING
    assert attached < set(children())
    assert all_values() == list(range(OLD))
    assert_takes_rows_now(clock, A_DAY)
    clock.set(timedelta())
    assert maintain.maintain(READING).outcome == "unchanged"
    status = status_of(READING)
    assert (status.health, status.problems) == (Health.OK, ())
    assert status.runs_out_at is not None
    assert status.runs_out_at >= until
    assert attached < set(children())
    assert all_values() == list(range(OLD))
    assert_takes_rows_now(clock, timedelta())


def test_a_day_behind_takes_nothing_away_and_is_made_good(clock: Clock, rotated: State) -> None:
    attached = set(children())
    clock.set(-A_DAY)
    behind = maintain.maintain(READING)
    assert {each.kind.value for each in behind.actions} <= {"create"}
    assert behind.outcome in {"done", "unchanged"}
    assert attached <= set(children())
    assert_takes_rows_now(clock, -A_DAY)
    clock.set(timedelta())
    maintain.maintain(READING)
    assert set(children()) == attached
    assert (status_of(READING).health, all_values()) == (Health.OK, list(range(OLD)))
    assert maintain.maintain(READING).outcome == "unchanged"


@pytest.mark.parametrize("rotated", ["Day"], indirect=True)
def test_what_is_due_to_be_dropped_by_the_jump_alone_is_kept(clock: Clock, rotated: State) -> None:
    log = retired()[0]
    clock.set(A_DAY)
    with pytest.raises(OperationFailed, match=f"is kept until .* by the config's grace of {GRACE}"):
        Reading.partitioning.delete_partition(log)
    clock.set(timedelta())
    PartitionConfig.objects.filter(model_label=READING).update(drop_after=timedelta())
    assert {each.kind.value for each in maintain.maintain(READING).actions} == {"drop"}
    assert retired().count() == 0


@pytest.mark.parametrize("rotated", ["Day"], indirect=True)
def test_the_grace_of_what_was_detached_ahead_ends_later(clock: Clock, rotated: State) -> None:
    clock.set(A_DAY)
    log = config_of().logs.filter(is_attached=True).earliest("start")
    Reading.partitioning.detach_partition(log)
    clock.set(timedelta())
    log.refresh_from_db()
    assert log.detached_at is not None
    assert server_time() < log.detached_at < server_time() + A_DAY
    PartitionConfig.objects.filter(model_label=READING).update(drop_after=timedelta(hours=1))
    for hours, is_kept in ((2, True), (24, True), (26, False)):
        maintain.maintain(READING, now=server_time() + timedelta(hours=hours))
        assert retired().filter(pk=log.pk).exists() is is_kept


def test_the_grace_of_what_was_detached_behind_does_not_end_early(
    clock: Clock, rotated: State
) -> None:
    """By us, and by somebody else in SQL."""
    PartitionConfig.objects.filter(model_label=READING).update(
        interval=None, drop_after=A_DAY - timedelta(hours=1)
    )
    by_hand, by_others = config_of().logs.filter(is_attached=True).order_by("start")[:2]
    clock.set(-A_DAY)
    Reading.partitioning.detach_partition(by_hand)
    execute(f"ALTER TABLE plant_reading DETACH PARTITION {by_others.table_name}")
    assert maintain.maintain(READING).repairs
    clock.set(timedelta())
    maintain.maintain(READING)
    both = retired().filter(pk__in=[by_hand.pk, by_others.pk])
    assert both.count() == 2
    maintain.maintain(READING, now=server_time() + A_DAY)
    assert both.count() == 0


@pytest.mark.parametrize("rotated", ["Day"], indirect=True)
def test_where_server_and_worker_share_a_clock_it_decides(
    clock: Clock, rotated: State, installation: Installation
) -> None:
    clock.set(A_DAY)
    told = installation.run(*MAINTAIN, clock=clock)
    actions = [each["action"] for each in json.loads(told)[0]["actions"]]
    assert sorted(set(actions)) == ["create", "detach", "drop"]
    assert (actions.count("detach"), actions.count("drop")) == (1, OLD - KEPT)
    clock.set(timedelta())
    assert maintain.maintain(READING).outcome == "unchanged"
    assert (status_of(READING).health, all_values()) == (Health.OK, list(range(KEPT + 1)))


@pytest.mark.parametrize("rotated", ["Day"], indirect=True)
def test_application_goes_on_where_the_clock_is_set_back_while_a_pass_waits(
    clock: Clock, rotated: State
) -> None:
    """By its own clock, the server would end that wait, and all who queue behind, a day later."""
    log = config_of().logs.filter(is_attached=True).earliest("start")
    waiting = forked(taking_off(log), "pass")
    with override_settings(PG_TIMEPART=PATIENT), parent_held(), waiting as run:
        wait_until(lambda: is_queued("pass"))
        clock.set(-A_DAY)
        with session("application") as application:
            application.execute(f"SET lock_timeout = '{LONGEST_WAIT_SECONDS}s'")
            application.execute("INSERT INTO plant_reading (at, value) VALUES (now(), 100)")
        with pytest.raises(OperationDeferred):
            run.result()
    clock.set(timedelta())
    assert maintain.maintain(READING).outcome == "unchanged"
    assert all_values() == [*range(OLD), 100]


def taking_off(log: PartitionLog) -> Callable[[], Report]:
    """Return what detaches it in a transaction, under a lock that stops everybody."""
    return lambda: Reading.partitioning.detach_partition(log, concurrently=False)


def is_queued(application: str) -> bool:
    """Return whether it waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_stat_activity"
            " WHERE application_name = %s AND wait_event_type = 'Lock'",
            [application],
        )
        return cursor.fetchone() is not None
