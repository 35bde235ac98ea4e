"""Set-up of a usual table: room ahead, and one old partition with a row."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import OperationalError

from pg_timepart.maintenance.maintain import maintain
from pg_timepart.maintenance.report import Report
from pg_timepart.models import PartitionLog
from tests.apps.plant.models import Machine, Measurement
from tests.support.key_values import key_at
from tests.support.processes import session
from tests.support.table_state import change_policy, reset_table

NOW = dt.datetime(2024, 3, 10, 12, tzinfo=dt.UTC)
OLD = dt.datetime(2024, 3, 5, tzinfo=dt.UTC)


def prepare(model: Any, **policy: Any) -> None:
    """Make room ahead, and an old partition with a row."""
    reset_table(model)
    maintain(model._meta.label_lower, now=NOW)
    model.partitioning.create_range(OLD, OLD + dt.timedelta(days=1))
    extra: dict[str, Any] = {"machine": a_machine()} if model is Measurement else {}
    model.objects.create(value=1, **key_at(model, OLD, 1), **extra)
    change_policy(model, **policy)


def a_machine(name: str = "press") -> Machine:
    """Return the machine of this name."""
    return Machine.objects.get_or_create(name=name)[0]


def run_pass(model: Any) -> Report:
    """Run a pass as if it was NOW."""
    return maintain(model._meta.label_lower, now=NOW)


def old_partition(model: Any) -> PartitionLog:
    """Return the row of the old partition."""
    return PartitionLog.objects.get(config__model_label=model._meta.label_lower, start=OLD)


def leave_a_detach_pending(model: Any, partition: str = "") -> None:
    """Cancel one by hand while it waits for a reader; of the old partition if none is named."""
    table, partition = model._meta.db_table, partition or old_partition(model).table_name
    with session("reader") as reader, session("operator") as operator:
        reader.execute("BEGIN")
        reader.execute(f"SELECT count(*) FROM {table}")
        operator.execute("SET statement_timeout = '100ms'")
        with pytest.raises(OperationalError):
            operator.execute(f"ALTER TABLE {table} DETACH PARTITION {partition} CONCURRENTLY")
        reader.execute("COMMIT")
