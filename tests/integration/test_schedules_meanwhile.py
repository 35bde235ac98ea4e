"""Configs and entries that another process makes while this one syncs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django_celery_beat.models import PeriodicTask

from pg_timepart import schedules
from pg_timepart.models import PartitionConfig
from tests.integration.beat_rows import entries_for, entry_of, make_config
from tests.processes import event, forked

pytest_plugins = ("tests.fleet.fixtures", "tests.integration.beat_fixtures")

pytestmark = pytest.mark.usefixtures("synced_beat")


def sync_while(deed: Callable[[], Any]) -> list[str]:
    """Sync, and have another process do the deed once the configs are read."""
    may_begin, has_ended = event(), event()

    def wait_and_do() -> None:
        assert may_begin.wait(30)
        try:
            deed()
        finally:
            has_ended.set()

    def let_it_do(execute: Any, statement: str, *rest: Any) -> Any:
        if '"django_celery_beat_periodictask"' in str(statement):
            may_begin.set()
            assert has_ended.wait(30)
        return execute(statement, *rest)

    with forked(wait_and_do, "another process") as other:
        with connection.execute_wrapper(let_it_do):
            changes = schedules.sync_all()
        other.result()
    return changes


def make_and_forget() -> None:
    """Stop where another process has made the entry, and has yet to remember its number."""
    config = make_config()
    PartitionConfig.objects.filter(pk=config.pk).update(schedule_id=None)


def make_again() -> None:
    PartitionConfig.objects.filter(model_label="made.thing").delete()
    make_config()


def test_a_config_that_is_made_meanwhile_keeps_its_entry() -> None:
    assert sync_while(make_config) == []
    assert entry_of(PartitionConfig.objects.get(model_label="made.thing")).enabled


def test_a_config_that_is_made_anew_meanwhile_keeps_its_entry() -> None:
    make_config()
    sync_while(make_again)
    assert entry_of(PartitionConfig.objects.get(model_label="made.thing")).enabled
    assert schedules.sync_all() == []


def test_an_entry_is_left_to_a_config_that_has_yet_to_remember_it() -> None:
    assert sync_while(make_and_forget) == []
    (entry,) = entries_for("made.thing")
    schedules.sync_all()
    assert entry_of(PartitionConfig.objects.get(model_label="made.thing")) == entry


def test_a_second_entry_of_a_config_that_has_one_is_removed() -> None:
    entry = entry_of(make_config())
    PeriodicTask.objects.create(
        name=f"{entry.name} 2", task=entry.task, args=entry.args, interval=entry.interval
    )
    assert schedules.sync_all() == [f"{entry.name} 2 is removed: its config is gone."]
    assert entries_for("made.thing") == [entry]
