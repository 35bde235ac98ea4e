"""Concurrent operations: a table with work for every operation, and processes that do it all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import cast

import pytest
from django.db import OperationalError, connection

from pg_timepart.constants import Outcome
from pg_timepart.errors import OperationDeferred
from pg_timepart.maintenance import manual
from pg_timepart.maintenance.report import Report
from pg_timepart.maintenance.target import target_of
from pg_timepart.models import PartitionConfig, PartitionLog, PartitionRun
from proof.drift.observed_tables import take_snapshot
from tests.apps.plant.models import Measurement
from tests.pooler.table import DAY, NOW, OLD, Model, execute, insert, label_of, run_pass
from tests.support.processes import session, wait_until
from tests.support.scenarios import pending
from tests.support.table_state import change_policy, reset_table

OLD_DAYS = tuple(OLD - n * DAY for n in range(7))
EXPIRED, PENDING, FORGOTTEN, ASKED_OFF, PUT_BACK, MOVED, DROPPED = OLD_DAYS
"""The old partitions, each named by what becomes of it: the first three by the passes, ASKED_OFF
by a pass or by hand, the others by hand. Each has a row: 1 in the first, and so on."""

TODAY = NOW.replace(hour=0)
AHEAD = TODAY + 9 * DAY
ROWS = {(False, "archive"): {1, 4, 6}, (False, "pg_default"): {2}, (True, "pg_default"): {5}}
"""Where the rows are in the end, by whether that is attached, and its tablespace.

What somebody else began to detach is finished, and stays where it is.
"""

KINDS = {"create", "finalize", "detach", "attach", "move", "drop", "truncate"}

Work = Callable[[Model], Report]
Part = tuple[Work, ...]
"""What one process does, one after the other."""


def prepare_everything(model: Model, archive: str) -> None:
    """Leave a table on which each operation has something to do, for passes and for hands."""
    reset_table(model)
    run_pass(model)
    target = target_of(model)
    manual.create_range(target, DROPPED, EXPIRED + DAY)
    for value, day in enumerate((NOW, *OLD_DAYS)):
        insert(model, day, value)
    for now, days in ((NOW - 2 * DAY, [FORGOTTEN]), (NOW, [PUT_BACK, MOVED, DROPPED])):
        manual.detach(target, logs_at(model, *days), concurrently=False, now=now)
    cut_short(model, *logs_at(model, PENDING))
    change_policy(model, interval=2, detach_tablespace=archive, drop_after=DAY)
    PartitionRun.objects.filter(model_label=label_of(model)).delete()


def hands_on(archive: str) -> tuple[Part, ...]:
    """Return what each of some people asks for, one after the other."""
    return (
        (
            lambda model: manual.attach(
                target_of(model), logs_at(model, PUT_BACK), detach_time=NOW + DAY
            ),
            lambda model: manual.drop(target_of(model), logs_at(model, DROPPED)),
            lambda model: manual.create_range(target_of(model), AHEAD, AHEAD + DAY),
        ),
        (
            lambda model: manual.move(target_of(model), logs_at(model, MOVED), archive),
            lambda model: manual.detach(target_of(model), logs_at(model, ASKED_OFF)),
            lambda model: manual.truncate(target_of(model), logs_at(model, TODAY)),
        ),
    )


def until_done(work: Work, model: Model) -> list[str]:
    """Ask again for as long as it gives way; return why it did."""
    reasons: list[str] = []

    def is_over() -> bool:
        report = reported(work, model)
        assert report.outcome is not Outcome.FAILED, report
        if report.outcome is Outcome.DEFERRED:
            reasons.append(report.reason)
        return report.outcome is not Outcome.DEFERRED

    wait_until(is_over, 60)
    return reasons


def reported(work: Work, model: Model) -> Report:
    try:
        return work(model)
    except OperationDeferred as error:
        return cast("Report", error.report)


def rows_of(model: Model) -> dict[tuple[bool, str], set[int]]:
    """Return where the rows are, by whether that is attached, and its tablespace."""
    found: dict[tuple[bool, str], set[int]] = {}
    for each in take_snapshot(model):
        found.setdefault((each.is_attached, each.tablespace), set()).update(each.values)
    return found


def every_kind(model: Model) -> set[str]:
    """Return the kinds of what is to be done; only detached measurements refer to a table."""
    return KINDS | ({"unlink"} if model is Measurement else set())


def done_kinds(model: Model) -> set[str]:
    """Return the kinds of what was done, as the records of the runs tell."""
    runs = PartitionRun.objects.filter(model_label=label_of(model))
    return {act["action"] for each in runs for act in each.actions if act["outcome"] == "done"}


def logs_at(model: Model, *starts: dt.datetime) -> list[PartitionLog]:
    config = PartitionConfig.objects.get(model_label=label_of(model))
    return list(config.logs.filter(start__in=starts))


def cut_short(model: Model, log: PartitionLog) -> None:
    """Leave the partition's detach pending, as somebody does who gives it up."""
    table = model._meta.db_table
    with session("reader") as reader, connection.cursor() as cursor:
        reader.execute("BEGIN")
        reader.execute(f"SELECT count(*) FROM {table}")
        cursor.execute("SET lock_timeout = 20")
        with pytest.raises(OperationalError, match="lock timeout"):
            cursor.execute(f"ALTER TABLE {table} DETACH PARTITION {log.table_name} CONCURRENTLY")
    execute("RESET lock_timeout")
    assert pending(model) == [log.table_name]
