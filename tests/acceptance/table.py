"""State of the installation's tables and runs, in the current default database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from celery import Celery
from django.db import connection, models
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from pg_timepart import tasks as _registered  # noqa: F401 - shared tasks are known once imported
from pg_timepart.models import PartitionConfig, PartitionRun
from tests.acceptance.installation import wait_until
from tests.apps.plant.models import Reading
from tests.support.processes import session
from tests.support.table_state import reset_table

READING = "plant.reading"
YEARS = (2015, 2016, 2017)

CHILDREN = """
SELECT c.relname, i.inhdetachpending FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = %s::regclass ORDER BY 1
"""


def task(client: Celery, name: str) -> Any:
    """Return the task ``pg_timepart.<name>`` of a client."""
    return client.tasks[f"pg_timepart.{name}"]


def config_of(model: type[models.Model] = Reading) -> PartitionConfig:
    """Return the config as it is now."""
    return PartitionConfig.objects.get(model_label=model._meta.label_lower)


def entry_of(model: type[models.Model] = Reading) -> PeriodicTask:
    """Return the beat entry as it is now."""
    return PeriodicTask.objects.get(pk=config_of(model).schedule_id)


def every(seconds: int, model: type[models.Model] = Reading) -> PeriodicTask:
    """Change the schedule of a table, as an operator does; return the entry."""
    entry = entry_of(model)
    entry.interval = IntervalSchedule.objects.get_or_create(every=seconds, period="seconds")[0]
    entry.save()
    return entry


def neglect(model: type[models.Model] = Reading) -> None:
    """Leave a table as if nobody had looked for years: old partitions with rows, none for now."""
    reset_table(model, period="Year", premake=2)
    first, last = datetime(YEARS[0], 1, 1, tzinfo=UTC), datetime(YEARS[-1] + 1, 1, 1, tzinfo=UTC)
    model.partitioning.create_range(first, last)  # type: ignore[attr-defined]
    if model is Reading:
        for year in YEARS:
            Reading.objects.create(at=datetime(year, 6, 1, tzinfo=UTC), value=year)
    PartitionRun.objects.all().delete()
    PartitionConfig.objects.filter(model_label=model._meta.label_lower).update(interval=1)


def children(model: type[models.Model] = Reading) -> dict[str, bool]:
    """Return what is attached, and whether its detach is pending."""
    with connection.cursor() as cursor:
        cursor.execute(CHILDREN, [model._meta.db_table])
        return dict(cursor.fetchall())


def wanted(model: type[models.Model] = Reading) -> list[str]:
    """Return what is attached after a pass on a neglected table: a year back, two ahead."""
    this = timezone.now().year
    table = model._meta.db_table
    return [f"{table}_{year}0101_{year + 1}0101" for year in range(this - 1, this + 3)]


def is_rotated(model: type[models.Model] = Reading) -> bool:
    """Return whether a pass on a neglected table has done all it must."""
    return children(model) == dict.fromkeys(wanted(model), False)


@contextmanager
def parent_held() -> Iterator[None]:
    """Hold the parent as a transaction does that has used it, so that a detach has to wait."""
    with session("holder") as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE ONLY plant_reading IN ACCESS SHARE MODE")
        yield
        holder.execute("ROLLBACK")


def runs(model: type[models.Model] = Reading, **facts: Any) -> list[PartitionRun]:
    """Return the records of these runs, the latest first."""
    return list(PartitionRun.objects.filter(model_label=model._meta.label_lower, **facts))


def wait_for_a_look(
    model: type[models.Model] = Reading, timeout_seconds: float = 20.0, times: int = 1
) -> None:
    """Wait until the table was maintained from now on, at most so many times."""
    for _ in range(times):
        begun = timezone.now()
        wait_until(lambda: _looked_at(model) > begun, timeout_seconds)  # noqa: B023


def _looked_at(model: type[models.Model]) -> datetime:
    return config_of(model).last_checked_at or timezone.now() - timedelta(days=1)
