"""A table with room ahead and an old partition, at a moment that stands still."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, models
from django.test import override_settings

from pg_timepart.maintenance.maintain import maintain
from pg_timepart.maintenance.report import Report
from pg_timepart.models import PartitionLog
from tests.apps.plant.models import Machine, Measurement, Reading, Shift
from tests.support.processes import session
from tests.support.table_state import change_policy, reset_table

NOW = dt.datetime(2024, 3, 10, 12, tzinfo=dt.UTC)
OLD = dt.datetime(2024, 3, 5, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
MODELS = (Reading, Measurement, Shift)

Model = type[models.Model]


def label_of(model: Model) -> str:
    return model._meta.label_lower


def prepare_old(model: Model, **policy: Any) -> None:
    """Leave a table with room ahead and an old partition with a row, and this policy."""
    reset_table(model)
    maintain(label_of(model), now=NOW)
    partitioning_of(model).create_range(OLD, OLD + DAY)
    insert(model, OLD, 1)
    insert(model, NOW, 2)
    change_policy(model, **policy)


def partitioning_of(model: Model) -> Any:
    return getattr(model, "partitioning")  # noqa: B009


def insert(model: Model, at: dt.datetime, value: int) -> None:
    moment: dict[str, Any] = {"day": at.date()} if model is Shift else {"at": at}
    if model is Measurement:
        moment["machine"] = Machine.objects.get_or_create(name="press")[0]
    model._default_manager.create(value=value, **moment)


def old_partition(model: Model) -> PartitionLog:
    """Return the row of the old partition."""
    return PartitionLog.objects.get(config__model_label=label_of(model), start=OLD)


def run_pass(model: Model) -> Report:
    return maintain(label_of(model), now=NOW)


@contextmanager
def parent_held(model: Model = Reading) -> Iterator[Any]:
    """Hold the parent as a transaction does that has used it: a detach begins, and has to wait."""
    options = {"LONG_TRANSACTION_MS": 600_000, "LOCK_WAIT_SECONDS": 30}
    with session("reader") as reader, override_settings(PG_TIMEPART=options):
        reader.execute("BEGIN")
        reader.execute(f"LOCK TABLE ONLY {model._meta.db_table} IN ACCESS SHARE MODE")
        yield reader
        reader.execute("ROLLBACK")


def execute(*statements: str) -> None:
    """Run statements on this process's default database."""
    with connection.cursor() as cursor:
        for each in statements:
            cursor.execute(each)
