"""Configs, partition logs and beat entries of models, read in a constant number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import django.db
from django.db import models

from pg_timepart.beat.timetable import Timetable, read_timetable
from pg_timepart.errors import TimepartError
from pg_timepart.findings import Code, Finding
from pg_timepart.maintenance.target import Target, defaults_of, target_of
from pg_timepart.models import PartitionConfig, PartitionLog
from pg_timepart.models.database import rows_alias
from pg_timepart.partitions.periods import period_in_words
from pg_timepart.status.deferrals import deferred_repeatedly
from pg_timepart.status.health import in_one_line, unreadable


@dataclass(slots=True, kw_only=True)
class Records:
    """What is recorded of the models, and findings on what could not be read."""

    targets: list[Target]
    logs: dict[int, list[PartitionLog]]
    timetable: Timetable | None = None
    deferred: frozenset[str] = frozenset()
    """Labels of models whose last runs were all deferred."""

    trouble: tuple[Finding, ...] = ()


def read_records(chosen: Sequence[type[models.Model]]) -> Records:
    """Return the records of these models; what cannot be read is a finding."""
    using = rows_alias()
    labels = [model._meta.label_lower for model in chosen]
    logs: dict[int, list[PartitionLog]] = {}
    try:
        found = PartitionConfig.objects.using(using).filter(model_label__in=labels)
        configs = {each.model_label: each for each in found}
        recorded = PartitionLog.objects.using(using).filter(config__model_label__in=labels)
        for log in recorded.order_by("config", "start", "schema_name", "table_name"):
            logs.setdefault(log.config_id, []).append(log)
        deferred = deferred_repeatedly(configs.values())
    except django.db.Error as error:
        trouble = unreadable(f"The tables of pg_timepart in the database {using!r}", error)
        return Records(
            targets=[_target(model, {}) for model in chosen], logs={}, trouble=(trouble,)
        )
    targets = [_target(model, configs) for model in chosen]
    try:
        timetable = read_timetable()
    except django.db.Error as error:
        words = f"The schedules of django_celery_beat cannot be read. {in_one_line(error)}"
        trouble = Finding(Code.SCHEDULES_UNREADABLE, words)
        return Records(targets=targets, logs=logs, deferred=deferred, trouble=(trouble,))
    return Records(targets=targets, logs=logs, deferred=deferred, timetable=timetable)


def _target(model: type[models.Model], configs: dict[str, PartitionConfig]) -> Target:
    """Return the target, with an unsaved config where there is none: reads only."""
    label = model._meta.label_lower
    return target_of(model, config=configs.get(label) or _unsaved_config(model))


def _unsaved_config(model: type[models.Model]) -> PartitionConfig:
    try:
        return PartitionConfig(model_label=model._meta.label_lower, **defaults_of(model))
    except TimepartError:  # system checks report it; status goes on with the table
        return PartitionConfig(model_label=model._meta.label_lower)


def config_facts(config: PartitionConfig) -> dict[str, Any]:
    """Return the fields of TableStatus that a config has, saved or not."""
    return {
        "period": period_in_words(config.period, config.periods_per_partition),
        "interval": config.interval,
        "premake": config.premake,
        "is_enabled": config.enabled,
        "last_outcome": config.last_outcome,
        "last_message": config.last_message,
        "last_run_at": config.last_run_at,
        "last_checked_at": config.last_checked_at,
    }
