"""Records of runs: save, prune and read them."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import DataError, transaction
from django.utils import timezone

from pg_timepart import conf
from pg_timepart.constants import ActionKind, Outcome
from pg_timepart.findings import sentences
from pg_timepart.maintenance.report import Report
from pg_timepart.models import PartitionConfig, PartitionRun
from pg_timepart.models.database import configs, keep, rows_alias
from pg_timepart.text import each_text, in_ascii, printable, storable

NAMES = ("started_by", "worker", "task_id")
LONGEST_NAME = 255
"""Lengths of the columns of these names."""

TIME_IS_UP: tuple[type[Exception], ...] = (SoftTimeLimitExceeded,)
"""Errors that Celery raises in running code at a time limit: no defects of that code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who or what started a run."""

    started_by: str = "python"
    """``beat``, ``task``, ``command``, ``migrate``, or a person's name."""

    worker: str = ""
    """The worker process; this process where empty."""

    task_id: str = ""
    """Celery's id of the task; empty outside of one."""

    is_scheduled: bool = False
    """Whether a beat entry sent the task: it leaves a disabled config alone."""

    interruptions: tuple[type[Exception], ...] = ()
    """Errors that mean that time is up: the run ends ``deferred``, and the next one continues."""

    def __post_init__(self) -> None:
        """Escape what a record cannot hold, and shorten: a message may carry anything."""
        for name in NAMES:
            object.__setattr__(self, name, printable(getattr(self, name))[:LONGEST_NAME])


def record(
    report: Report,
    config: PartitionConfig,
    origin: Origin,
    *,
    started_at: datetime,
    seconds: float,
) -> PartitionRun | None:
    """Save what a run did and return the PartitionRun; None for a run that found nothing to do.

    A run with nothing to do only updates ``last_checked_at``. Old records are pruned. The
    PartitionRun has no config where that was deleted meanwhile.
    """
    if config._state.adding:
        return None
    if report.outcome is Outcome.UNCHANGED and not report.message:
        keep(config, last_checked_at=started_at)
        return None
    return record_alone(report, origin, started_at=started_at, seconds=seconds, config=config)


def record_alone(
    report: Report,
    origin: Origin,
    *,
    started_at: datetime,
    seconds: float,
    config: PartitionConfig | None = None,
) -> PartitionRun:
    """Save what a run did and return the PartitionRun, also for a model that has no config."""
    now = min(started_at, timezone.now())  # either clock may have jumped ahead
    # Prune first: if that loses the connection, the run is not saved yet, and not saved twice.
    prune(_alias_of(config), now)
    facts = _facts(report, origin, started_at, seconds)
    try:
        return _save(config, each_text(facts, storable))
    except DataError:  # the database's encoding lacks a character
        return _save(config, each_text(facts, in_ascii))


def _facts(report: Report, origin: Origin, started_at: datetime, seconds: float) -> dict[str, Any]:
    """Return the fields of a PartitionRun, and the reason that its config keeps."""
    return {
        "model_label": report.label,
        "operation": report.operation,
        "outcome": report.outcome.value,
        "message": report.message or sentences((*report.problems, *report.repairs)),
        "started_at": started_at,
        "seconds": seconds,
        "waited_seconds": sum(each.waited_seconds for each in report.actions),
        "started_by": origin.started_by,
        "worker": origin.worker or f"{socket.gethostname()}:{os.getpid()}",
        "task_id": origin.task_id,
        "actions": [
            {**each.as_json(), "statements": list(each.statements)} for each in report.actions
        ],
        "reason": report.reason,
    }


def _save(config: PartitionConfig | None, facts: dict[str, Any]) -> PartitionRun:
    """Save these facts in one transaction."""
    using, reason = _alias_of(config), facts.pop("reason")
    names = {name: facts[name][:LONGEST_NAME] for name in NAMES}
    with transaction.atomic(using=using):
        run: PartitionRun = PartitionRun.objects.using(using).create(
            config=_held(config) if config else None, **{**facts, **names}
        )
        if config is not None:
            keep(
                config,
                last_checked_at=run.started_at,
                last_run_at=run.started_at,
                last_outcome=run.outcome,
                last_message=reason,
            )
    return run


def _alias_of(config: PartitionConfig | None) -> str:
    return rows_alias() if config is None else config._state.db or rows_alias()


def hold_for_deletion(
    sender: type[PartitionConfig],  # noqa: ARG001
    instance: PartitionConfig,
    using: str,
    **_kwargs: object,
) -> None:
    """Receive pre_delete of a config: lock its row until the deletion is committed.

    A run that is being recorded holds the row's lock, and is waited for.
    """
    rows = PartitionConfig.objects.using(using).select_for_update().filter(pk=instance.pk)
    rows.values_list("pk", flat=True).first()


def is_deleted(config: PartitionConfig) -> bool:
    """Return whether a config that was saved has been deleted."""
    rows = PartitionConfig.objects.using(config._state.db)
    return not config._state.adding and not rows.filter(pk=config.pk).exists()


def dropped_by(task_id: str, label: str) -> set[str]:
    """Return the names of the tables that a task has dropped, by the records of its runs."""
    runs = PartitionRun.objects.using(rows_alias()).filter(task_id=task_id, model_label=label)
    return {
        each["partition"]
        for actions in runs.values_list("actions", flat=True)
        for each in actions
        if (each["action"], each["outcome"]) == (ActionKind.DROP, Outcome.DONE)
    }


def prune(using: str | None, now: datetime) -> int:
    """Delete records older than the settings keep; return how many."""
    edge = now - timedelta(days=conf.options().HISTORY_DAYS)
    return PartitionRun.objects.using(using).filter(started_at__lt=edge).delete()[0]


def touch_all(looked_at: list[PartitionConfig], now: datetime) -> None:
    """Record in one statement that these tables were checked and nothing was to do."""
    keys = [each.pk for each in looked_at]
    configs().filter(pk__in=keys).update(last_checked_at=now)


def _held(config: PartitionConfig) -> PartitionConfig | None:
    """Return the config, its row locked against deletion, or None where it is gone."""
    rows = PartitionConfig.objects.using(config._state.db).select_for_update(no_key=True)
    return rows.filter(pk=config.pk).first()
