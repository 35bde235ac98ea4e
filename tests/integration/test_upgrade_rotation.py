"""``migrate`` while workers rotate: both get done, and neither hurts the other."""

from __future__ import annotations

import datetime as dt
import itertools
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db.models import QuerySet
from django.test import override_settings

from pg_timepart.maintenance.passes import maintain
from pg_timepart.models import PartitionConfig, PartitionLog, PartitionRun
from tests import plant
from tests.integration.upgrading import migrate
from tests.plant.models import Machine, Measurement, Reading
from tests.processes import Worker, event, forked, wait_until

pytest_plugins = ("tests.integration.upgrade_fixtures",)

FIRST = dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
LABELS = ("plant.reading", "plant.measurement")
PASSES = 6

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


def rotate(is_over: Any) -> list[str]:
    """Run passes, each of a day later than the one before, until told to stop.

    Return what failed.
    """
    failed = []
    for day in itertools.count():
        for label in LABELS:
            report = maintain(label, now=FIRST + day * DAY)
            failed += [report.reason] if report.outcome == "failed" else []
        if is_over.is_set():
            break
    return failed


def wait_for_passes(workers: list[Worker]) -> None:
    """Wait until the workers have done so many passes more on each table."""
    for label in LABELS:
        runs = PartitionRun.objects.filter(model_label=label, outcome="done")
        seen = runs.count()
        wait_until(partial(_are_more, runs, seen + PASSES, workers), 60)


def _are_more(runs: QuerySet[PartitionRun], count: int, workers: list[Worker]) -> bool:
    for each in workers:
        assert each.process.is_alive(), each.result()
    return runs.count() >= count


def configure() -> None:
    PartitionConfig.objects.filter(model_label__in=LABELS).update(interval=2)


def test_tables_are_altered_to_and_fro_while_two_workers_rotate_them(
    database: None, later: None
) -> None:
    configure()
    machine, is_over = Machine.objects.create(name="press"), event()
    now = dt.datetime.now(tz=dt.UTC)
    with ExitStack() as stack:
        workers: list[Worker] = [
            stack.enter_context(forked(lambda: rotate(is_over), f"worker-{n}")) for n in range(2)
        ]
        for number in range(2):
            wait_for_passes(workers)
            migrate("plant")
            Reading.objects.create(at=now, value=number)
            Measurement.objects.create(at=now, value=number, machine=machine)
            wait_for_passes(workers)
            migrate("plant", "0001")
        wait_for_passes(workers)
        is_over.set()
        failed = [each.result() for each in workers]
    assert failed == [[], []]
    assert set(Reading.objects.values_list("value", flat=True)) == {0, 1}
    assert set(Measurement.objects.values_list("value", flat=True)) == {0, 1}
    for label in LABELS:
        assert maintain(label).outcome in {"done", "unchanged"}
        assert maintain(label).outcome == "unchanged"


def test_tables_go_and_come_back_while_two_workers_rotate_them(database: None) -> None:
    configure()
    is_over = event()
    with ExitStack() as stack:
        workers: list[Worker] = [
            stack.enter_context(forked(lambda: rotate(is_over), f"worker-{n}")) for n in range(2)
        ]
        for _ in range(2):
            wait_for_passes(workers)
            migrate("plant", "zero")
            assert not PartitionConfig.objects.filter(model_label__in=LABELS).exists()
            migrate("plant")
            configure()
        wait_for_passes(workers)
        is_over.set()
        failed = [reason for each in workers for reason in each.result()]
    for reason in failed:
        assert "does not exist" in reason or "config was deleted" in reason
    for label in LABELS:
        assert maintain(label).outcome in {"done", "unchanged"}
        assert maintain(label).outcome == "unchanged"
        logs = PartitionLog.objects.filter(config__model_label=label)
        assert logs.exists()
