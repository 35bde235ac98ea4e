"""Overviews of configs for the list, in a number of queries that does not grow with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import django.db
from django.db import router
from django.utils import timezone

from pg_timepart.admin import schedule_display
from pg_timepart.constants import State
from pg_timepart.errors import TimepartError
from pg_timepart.findings import Code, Finding
from pg_timepart.maintenance.target import target_named
from pg_timepart.maintenance.unattended import Unattended, unattended
from pg_timepart.models import PartitionConfig
from pg_timepart.schema.registry import registry
from pg_timepart.status import Health, PartitionStatus, TableStatus, statuses
from pg_timepart.status.types import health_of

if TYPE_CHECKING:
    from django_celery_beat.models import PeriodicTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """One config with its table and its schedule."""

    status: TableStatus | None
    """None where the model is not installed, or settings of ours cannot be used."""

    health: Health
    problems: tuple[Finding, ...]
    entry: PeriodicTask | None
    read_at: datetime

    def without_message(self) -> Overview:
        """Return the overview without the message of the last run: not every user may see runs."""
        return replace(self, problems=tuple(each.redacted() for each in self.problems))

    @property
    def attached(self) -> list[PartitionStatus]:
        """The attached partitions that have bounds, in order."""
        found = self.status.partitions if self.status else ()
        return [each for each in found if each.state is State.ATTACHED and each.bounds]

    @property
    def next_run(self) -> datetime | None:
        """About when beat sends the next pass."""
        return schedule_display.next_run(self.entry, self.read_at)


def overviews(
    configs: Sequence[PartitionConfig], found: Iterable[Unattended] | None = None
) -> dict[int, Overview]:
    """Return the overviews of these configs, by their keys.

    ``found`` are the unattended labels; they are read here where not given and needed.
    """
    statuses, trouble = _statuses(each.model_label for each in configs)
    entries = schedule_display.entries_of(configs)
    if found is None:
        found = () if all(map(is_installed, configs)) else unattended()
    lost = {each.label: each for each in found}
    return {
        each.pk: _overview(
            statuses.get(each.model_label),
            entries.get(each.schedule_id or 0),
            trouble,
            lost.get(each.model_label),
        )
        for each in configs
    }


def labels_by_health(health: Health) -> list[str]:
    """Return the labels of all configs whose tables have this health; reads every table."""
    configs = list(PartitionConfig.objects.all())
    found = overviews(configs)
    return [each.model_label for each in configs if found[each.pk].health is health]


def labels_by_database(alias: str) -> list[str]:
    """Return the labels of the installed models whose tables are in that database."""
    return [label for label, model in _installed().items() if router.db_for_write(model) == alias]


def is_installed(config: PartitionConfig) -> bool:
    """Return whether the config's model is installed and decorated."""
    return config.model_label in _installed()


def is_disputed(config: PartitionConfig) -> bool:
    """Return whether another config claims the table too, so that one of them must go."""
    try:
        target = target_named(config.model_label, config)
        return bool(target.rivals(target.read([])))
    except (TimepartError, django.db.Error):
        return False


def _overview(
    status: TableStatus | None,
    entry: PeriodicTask | None,
    trouble: Finding | None,
    lost: Unattended | None,
) -> Overview:
    if status is not None:
        problems = status.problems
    elif trouble is not None:
        problems = (trouble,)
    else:
        problems = (lost.finding,) if lost is not None else ()
    return Overview(
        status=status,
        health=health_of(problems),
        problems=problems,
        entry=entry,
        read_at=timezone.now(),
    )


def _statuses(labels: Iterable[str]) -> tuple[dict[str, TableStatus], Finding | None]:
    """Return the statuses by label, or the error that prevents them."""
    installed = _installed()
    wanted = [installed[label] for label in labels if label in installed]
    try:
        return {each.label: each for each in statuses(wanted)}, None
    except TimepartError as error:
        return {}, Finding(Code.INVALID_SETTINGS, str(error))


def _installed() -> dict[str, type]:
    return {model._meta.label_lower: model for model in registry()}
