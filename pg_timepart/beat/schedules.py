"""Beat entries of configs: one for each enabled config, which operators may change as they like.

What django-celery-beat demands of whoever makes its rows: save them one by one, so that beat
hears of it; never save what has not changed, since that restarts the clock of an entry that has
not run; never delete a schedule row, since others may use it and the entries cascade.
https://django-celery-beat.readthedocs.io/
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from pg_timepart import conf
from pg_timepart.beat import future_entries
from pg_timepart.beat.config_entries import (
    MAINTAIN,
    NAME_PREFIX,
    TASK_PREFIX,
    find_entry,
    free_name,
)
from pg_timepart.beat.dispatcher import DISPATCH, sync_dispatcher
from pg_timepart.beat.entries import (
    beat_alias,
    beat_entries,
    expiry_of,
    has_table,
    interval_of,
    is_beat_installed,
    is_json,
    periodic_task,
    save_new,
    seconds_of,
)
from pg_timepart.beat.intervals import default_seconds
from pg_timepart.models import PartitionConfig
from pg_timepart.models.database import configs, keep, rows_alias

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django_celery_beat.models import PeriodicTask


def sync_all() -> list[str]:
    """Make, repair, pause and remove beat entries so that each config has its own.

    Returns a sentence for each change; nothing is saved where nothing differs. An operator's
    schedule, queue, name and description stay as they are. Does nothing without beat.
    """
    if not is_beat_installed():
        return []
    before = future_entries.last_change(beat_alias())
    known = list(configs())
    _forget_lost(known)
    changes = [change for config in known for change in _sync_anew(config)]
    changes += [*sync_dispatcher(), *_remove_strays()]
    if changes:
        future_entries.announce(before, beat_alias())
    return changes


def retire_all() -> None:
    """Leave nothing that sends our tasks, where our own tables are there no more.

    Entries that maintain a table and the dispatcher are removed; those of a person that send
    another task of ours are switched off. Does nothing without beat.
    """
    if not is_beat_installed() or has_table(rows_alias(), PartitionConfig._meta.db_table):
        return
    for entry in beat_entries().filter(task__startswith=TASK_PREFIX):
        if entry.task in {MAINTAIN, DISPATCH}:
            entry.delete()
        elif entry.enabled:
            entry.enabled = False
            entry.save(using=beat_alias())


def sync(config: PartitionConfig) -> list[str]:
    """Make, repair or pause the beat entry of one config, as its row is by now; see sync_all().

    Of several processes that do so for one config, each sees what those before it did.
    """
    if not is_beat_installed():
        return []
    _have_its_interval(config)
    with transaction.atomic(using=config._state.db):
        row = _rows_of(config).select_for_update(no_key=True).first()
        if row is None:
            return []
        changes = _sync(row)
    config.schedule_id = row.schedule_id
    return changes + _sync_wanted_dispatcher()


def remove(config: PartitionConfig) -> None:
    """Remove the beat entry of a config that is deleted."""
    if is_beat_installed():
        entry = find_entry(config)
        if entry is not None:
            entry.delete()
        _sync_wanted_dispatcher()


def after_config_saved(
    sender: type[PartitionConfig],  # noqa: ARG001
    instance: PartitionConfig,
    using: str,
    raw: bool = False,
    **_kwargs: Any,
) -> None:
    """Receive post_save of a config, and follow once it is committed."""
    if not raw:
        transaction.on_commit(lambda: sync(instance) and None, using=using)


def after_config_deleted(
    sender: type[PartitionConfig],  # noqa: ARG001
    instance: PartitionConfig,
    using: str,
    **_kwargs: Any,
) -> None:
    """Receive post_delete of a config, and remove its entry once that is committed."""
    transaction.on_commit(lambda: remove(instance), using=using)


def entry_of(config: PartitionConfig) -> PeriodicTask | None:
    """Return the beat entry of a config, or None."""
    return find_entry(config) if is_beat_installed() else None


def _have_its_interval(config: PartitionConfig) -> None:
    """Make the schedule row that the entry will need, before the entry is locked.

    Who saves an entry writes it first, and what tells beat of a change after it. A new schedule row
    is told of too: in one transaction that would be the other way round, and could be a deadlock.
    """
    row = _rows_of(config).first()
    if row is not None and _has_entry(row) and row.schedule_seconds != default_seconds(row):
        interval_of(default_seconds(row))


def _has_entry(config: PartitionConfig) -> bool:
    """Whether the config should have an entry of its own."""
    return config.enabled and not conf.options().DISPATCHER


def _sync_anew(config: PartitionConfig) -> list[str]:
    """Sync a config that was read a while ago, and wait for nobody who has its row."""
    row = _rows_of(config).first()
    return [] if row is None else _sync(row)


def _sync(config: PartitionConfig) -> list[str]:
    wanted = _has_entry(config)
    entry = find_entry(config)
    if entry is None:
        return _make(config) if wanted else []
    if config.schedule_id != entry.pk:
        keep(config, schedule_id=entry.pk)
    if not wanted:
        return _pause(config, entry)
    return [
        *_resume(config, entry),
        *_repair(config, entry),
        *_follow_period(config, entry),
        *future_entries.catch_up(entry, timezone.now()),
    ]


def _sync_wanted_dispatcher() -> list[str]:
    """Let the dispatcher follow a config at once; where none is wanted, sync_all() removes it."""
    return sync_dispatcher() if conf.options().DISPATCHER else []


def _make(config: PartitionConfig) -> list[str]:
    seconds = default_seconds(config)
    entry = periodic_task()(
        name=free_name(config.model_label),
        task=MAINTAIN,
        args=json.dumps([config.model_label]),
        interval=interval_of(seconds),
        expire_seconds=expiry_of(seconds),
        queue=conf.options().QUEUE,
        description="Keeps the partitions of this table rotating. Change the schedule as you like.",
    )
    entry, _ = save_new(entry, lambda: find_entry(config))
    keep(config, schedule_id=entry.pk, schedule_seconds=seconds, is_schedule_paused=False)
    return [f"{entry.name} is scheduled every {seconds} s."]


def _pause(config: PartitionConfig, entry: PeriodicTask) -> list[str]:
    """Switch an entry off and keep the operator's schedule for when its config is enabled."""
    if not entry.enabled:
        return []
    entry.enabled = False
    entry.save(using=beat_alias())
    keep(config, is_schedule_paused=True)
    return [f"{entry.name} is paused."]


def _resume(config: PartitionConfig, entry: PeriodicTask) -> list[str]:
    """Switch on what _pause() switched off; leave alone what an operator did."""
    if not config.is_schedule_paused:
        return []
    keep(config, is_schedule_paused=False)
    if entry.enabled:
        return []
    entry.enabled = True
    entry.save(using=beat_alias())
    return [f"{entry.name} goes on."]


def _repair(config: PartitionConfig, entry: PeriodicTask) -> list[str]:
    """Set right what only we may decide: which task the entry sends, and for which model."""
    args = json.dumps([config.model_label])
    has_schedule = any((entry.interval_id, entry.crontab_id, entry.solar_id, entry.clocked_id))
    if entry.args == args and entry.kwargs in {"", "{}"} and has_schedule:
        return []
    if not (is_json(entry.args) and is_json(entry.kwargs)):
        entry.enabled = True  # beat itself switched it off when it could not read them
    entry.args, entry.kwargs = args, "{}"
    if not has_schedule:
        entry.interval = interval_of(default_seconds(config))
    entry.save(using=beat_alias())
    return [f"{entry.name} is repaired."]


def _follow_period(config: PartitionConfig, entry: PeriodicTask) -> list[str]:
    """Follow a change of the config's period, unless a person chose the schedule."""
    seconds, before = default_seconds(config), config.schedule_seconds
    if seconds == before:
        return []
    keep(config, schedule_seconds=seconds)
    if before is None or seconds_of(entry) != before:
        return []
    entry.interval = interval_of(seconds)
    if entry.expire_seconds == expiry_of(before):
        entry.expire_seconds = expiry_of(seconds)
    entry.save(using=beat_alias())
    return [f"{entry.name} is scheduled every {seconds} s, as the period has changed."]


def _remove_strays() -> list[str]:
    """Remove entries of ours that no config has, by the number that configs remember.

    The entries are read first, and then all configs: one that was made meanwhile counts too. A
    config whose own entry is not there may be about to remember the one with its label.
    """
    entries = list(beat_entries().filter(task=MAINTAIN))
    keys = dict(configs().values_list("model_label", "schedule_id"))
    kept, there = set(keys.values()), {each.pk for each in entries}
    awaited = {json.dumps([label]) for label, key in keys.items() if key not in there}
    strays = [
        each
        for each in entries
        if each.name.startswith(NAME_PREFIX) and each.pk not in kept and each.args not in awaited
    ]
    for each in strays:
        each.delete()
    return [f"{each.name} is removed: its config is gone." for each in strays]


def _forget_lost(known: Sequence[PartitionConfig]) -> None:
    """Forget the numbers of entries that are there no more.

    Once beat's tables are made anew, the entries of other configs get them.
    """
    there = {None, *beat_entries().filter(task=MAINTAIN).values_list("pk", flat=True)}
    for config in known:
        if config.schedule_id not in there:
            keep(config, schedule_id=None)


def _rows_of(config: PartitionConfig) -> QuerySet[PartitionConfig]:
    return PartitionConfig.objects.using(config._state.db).filter(pk=config.pk)
