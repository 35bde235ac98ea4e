"""Find the beat entry of a config, and a free name for a new one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pg_timepart.beat.entries import beat_entries
from pg_timepart.models import PartitionConfig
from pg_timepart.models.database import configs
from pg_timepart.partitions.names import digest, shortened

if TYPE_CHECKING:
    from django_celery_beat.models import PeriodicTask

TASK_PREFIX = "pg_timepart."
MAINTAIN = f"{TASK_PREFIX}maintain"
NAME_PREFIX = "pg_timepart: maintain "
MAX_NAME = 200


def find_entry(config: PartitionConfig) -> PeriodicTask | None:
    """Return the entry whose id the config has, or else one of its label that no config has."""
    ours = beat_entries().filter(task=MAINTAIN)
    by_key = ours.filter(pk=config.schedule_id).first() if config.schedule_id else None
    if by_key is not None:
        return by_key
    unclaimed = ours.exclude(pk__in=_keys_of_others(config))
    names = {entry_name(config.model_label), _digested_name(config.model_label)}
    by_name = unclaimed.filter(name__in=names).first()
    return by_name or unclaimed.filter(args=json.dumps([config.model_label])).first()


def entry_name(label: str) -> str:
    """Return the name of a new beat entry: at most 200 characters, and no other label's."""
    name = f"{NAME_PREFIX}{label}"
    return name if len(name) <= MAX_NAME else _digested_name(label)


def free_name(label: str) -> str:
    """Return the plain name, or another where an entry for something else has it."""
    name = entry_name(label)
    return _digested_name(label) if beat_entries().filter(name=name).exists() else name


def _keys_of_others(config: PartitionConfig) -> list[int]:
    others = configs().exclude(pk=config.pk)
    return [key for key in others.values_list("schedule_id", flat=True) if key is not None]


def _digested_name(label: str) -> str:
    return shortened(f"{NAME_PREFIX}{label}", f" {digest(label, 16)}", MAX_NAME)
