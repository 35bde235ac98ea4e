"""Beat entries of configs: one for each enabled config, which operators may change as they like.

Rules of django-celery-beat for code that makes its entries: save them one by one, so that beat
notices; never save one that has not changed, since that restarts the interval of an entry that has
not run; never delete a schedule (IntervalSchedule, ...), since other entries may use it and are
deleted with it. https://django-celery-beat.readthedocs.io/
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
    """Remove or disable every entry that sends our tasks, once our own tables are removed.

    Entries that maintain a table and the dispatcher are removed; entries that a person made for
    another task of ours are disabled. Does nothing without beat.
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
    """Make, repair or pause the beat entry of one config, which is read anew; see sync_all().

    Processes that do so for one config at the same time wait for each other.
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
    """Receive post_save of a config: sync its entry after the commit."""
    if not raw:
        transaction.on_commit(lambda: sync(instance) and None, using=using)


def after_config_deleted(
    sender: type[PartitionConfig],  # noqa: ARG001
    instance: PartitionConfig,
    using: str,
    **_kwargs: Any,
) -> None:
    """Receive post_delete of a config: remove its entry after the commit."""
    transaction.on_commit(lambda: remove(instance), using=using)


def entry_of(config: PartitionConfig) -> PeriodicTask | None:
    """Return the beat entry of a config, or None."""
    return find_entry(config) if is_beat_installed() else None


def _have_its_interval(config: PartitionConfig) -> None:
    """Make the IntervalSchedule that the entry will need, before the entry is locked.

    Saving an entry locks it first, and then PeriodicTasks, which tells beat of a change; saving a
    new schedule locks PeriodicTasks too. In one transaction the order would be reversed, which
    could be a deadlock.
    """
    row = _rows_of(config).first()
    if row is not None and _has_entry(row) and row.schedule_seconds != default_seconds(row):
        interval_of(default_seconds(row))


def _has_entry(config: PartitionConfig) -> bool:
    """Whether the config should have an entry of its own."""
    return config.enabled and not conf.options().DISPATCHER


def _sync_anew(config: PartitionConfig) -> list[str]:
    """Sync a config that was read a while ago, without locking its row."""
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
    """Sync the dispatcher at once; where none is wanted, sync_all() removes it."""
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
    """Disable an entry and keep the operator's schedule for when its config is enabled."""
    if not entry.enabled:
        return []
    entry.enabled = False
    entry.save(using=beat_alias())
    keep(config, is_schedule_paused=True)
    return [f"{entry.name} is paused."]


def _resume(config: PartitionConfig, entry: PeriodicTask) -> list[str]:
    """Enable an entry that _pause() disabled, but not one that an operator disabled."""
    if not config.is_schedule_paused:
        return []
    keep(config, is_schedule_paused=False)
    if entry.enabled:
        return []
    entry.enabled = True
    entry.save(using=beat_alias())
    return [f"{entry.name} goes on."]


def _repair(config: PartitionConfig, entry: PeriodicTask) -> list[str]:
    """Correct the entry's task and label, which operators do not choose."""
    args = json.dumps([config.model_label])
    has_schedule = any((entry.interval_id, entry.crontab_id, entry.solar_id, entry.clocked_id))
    if entry.args == args and entry.kwargs in {"", "{}"} and has_schedule:
        return []
    if not (is_json(entry.args) and is_json(entry.kwargs)):
        entry.enabled = True  # beat disables an entry whose arguments it cannot read
    entry.args, entry.kwargs = args, "{}"
    if not has_schedule:
        entry.interval = interval_of(default_seconds(config))
    entry.save(using=beat_alias())
    return [f"{entry.name} is repaired."]


def _follow_period(config: PartitionConfig, entry: PeriodicTask) -> list[str]:
    """Set the interval anew after a change of the config's period, unless a person chose it."""
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
    """Remove entries of ours that belong to no config, by the ids that configs keep.

    The entries are read first, and then all configs: one that was made meanwhile counts too. An
    entry with the label of a config whose own entry is missing is left: that config may be about to
    take it.
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
    """Clear the ids of entries that do not exist any more.

    When beat's tables are made anew, the entries of other configs get the same ids.
    """
    there = {None, *beat_entries().filter(task=MAINTAIN).values_list("pk", flat=True)}
    for config in known:
        if config.schedule_id not in there:
            keep(config, schedule_id=None)


def _rows_of(config: PartitionConfig) -> QuerySet[PartitionConfig]:
    return PartitionConfig.objects.using(config._state.db).filter(pk=config.pk)
