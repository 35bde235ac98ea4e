"""``migrate`` while workers rotate: both get done, and neither hurts the other."""

from __future__ import annotations

import datetime as dt
import itertools
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models import QuerySet
from django.test import override_settings

from pg_timepart.maintenance.maintain import maintain
from pg_timepart.maintenance.report import Report
from pg_timepart.models import PartitionConfig, PartitionRun
from tests.apps import plant
from tests.apps.plant.models import Machine, Measurement, Reading
from tests.support.app_migrations import migrate
from tests.support.processes import Worker, event, forked, shared_number, wait_until

FIRST = dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
LABELS = ("plant.reading", "plant.measurement")
PASSES = 4

LATER = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("plant", "{after}")]
    operations = [
        migrations.AddField(
            "{model}", "colour", models.CharField(max_length=9, db_default="red", db_index=True)
        ),
        migrations.AlterField("{model}", "value", models.BigIntegerField(db_index=True)),
    ]
"""


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two more migrations of the plant, which rewrite its tables."""
    folder = tmp_path / "later_plant"
    shutil.copytree(Path(plant.__file__).parent / "migrations", folder)
    names = ("0001_initial", "0002_reading", "0003_measurement")
    for (after, name), model in zip(
        itertools.pairwise(names), ("reading", "measurement"), strict=True
    ):
        (folder / f"{name}.py").write_text(LATER.format(after=after, model=model))
    monkeypatch.syspath_prepend(tmp_path)
    with override_settings(MIGRATION_MODULES={"plant": "later_plant"}):
        yield
    for module in [each for each in sys.modules if each.startswith("later_plant")]:
        del sys.modules[module]


def rotate(days: Any, is_over: Any) -> list[str]:
    """Run passes, each of a day later than the one before, until told to stop.

    Each creates, detaches and drops. Return why some failed. ``days`` are those of all workers.
    """
    failed: list[str] = []
    while not is_over.is_set():
        reports = [_rotate_one(label, FIRST + days.value * DAY) for label in LABELS]
        reasons = [each.reason for each in reports if each.outcome == "failed"]
        failed += reasons
        with days.get_lock():
            days.value += 0 if reasons else 1
    return failed


def _rotate_one(label: str, now: dt.datetime) -> Report:
    config = PartitionConfig.objects.filter(model_label=label)
    config.update(interval=2, drop_after=dt.timedelta(0))
    return maintain(label, now=now)


@contextmanager
def two_workers() -> Iterator[list[Worker]]:
    """Rotate in two processes; at the end of the block they are told to stop, and waited for."""
    days, is_over = shared_number(0), event()
    with ExitStack() as stack:
        work = partial(rotate, days, is_over)
        workers = [stack.enter_context(forked(work, f"worker-{n}")) for n in range(2)]
        yield workers
        is_over.set()
        wait_until(lambda: not any(each.process.is_alive() for each in workers), 60)


def wait_for_passes(workers: list[Worker]) -> None:
    """Wait until the workers have done so many passes more on each table."""
    for label in LABELS:
        runs = PartitionRun.objects.filter(model_label=label, outcome="done")
        wait_until(partial(_are_more, runs, runs.count() + PASSES, workers), 60)


def _are_more(runs: QuerySet[PartitionRun], count: int, workers: list[Worker]) -> bool:
    for each in workers:
        assert each.process.is_alive(), each.result()
    return runs.count() >= count


def settled(label: str) -> bool:
    """Return whether a few passes of now leave nothing to do: what was detached is dropped next."""
    outcomes = [maintain(label).outcome for _ in range(4)]
    return set(outcomes) <= {"done", "unchanged"} and outcomes[-1] == "unchanged"


def migrate_in_the_end(*arguments: str) -> None:
    """Migrate, again where a concurrent detach is under way: the server refuses it then."""
    while True:
        try:
            return migrate(*arguments)
        except OperationalError as error:
            if "incomplete detach" not in str(error):
                raise


def test_tables_are_altered_to_and_fro_while_workers_rotate_them(
    migrated_database: None, later: None
) -> None:
    machine, now = Machine.objects.create(name="press"), dt.datetime.now(tz=dt.UTC)
    with two_workers() as workers:
        for number in range(2):
            wait_for_passes(workers)
            migrate_in_the_end("plant")
            Reading.objects.create(at=now, value=number)
            Measurement.objects.create(at=now, value=number, machine=machine)
            wait_for_passes(workers)
            migrate_in_the_end("plant", "0001")
        wait_for_passes(workers)
    assert [each.result() for each in workers] == [[], []]
    assert set(Reading.objects.values_list("value", flat=True)) == {0, 1}
    assert set(Measurement.objects.values_list("value", flat=True)) == {0, 1}
    assert all(settled(label) for label in LABELS)
