"""Relabel configs after ``migrate``, as migrations renamed, moved or removed their models."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from django.db import connections, models, router, transaction
from django.db.migrations import CreateModel, DeleteModel, RenameModel, SeparateDatabaseAndState

from pg_timepart import conf
from pg_timepart.logger import logger
from pg_timepart.maintenance import config_claims
from pg_timepart.maintenance.target import read_table
from pg_timepart.models import PartitionConfig, PartitionLog
from pg_timepart.models.database import configs, rows_alias
from pg_timepart.partitions.tables import Parent
from pg_timepart.postgres.catalog import read_parent
from pg_timepart.postgres.search_path import fetch_one
from pg_timepart.schema.registry import registry

IS_ANY_ATTACHED = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = ANY(%s::oid[]))
"""


def follow_models(plan: Iterable[tuple[Any, bool]], using: str) -> set[str]:
    """Relabel or delete configs as the migrations of ``plan``, applied or undone in ``using``, ask.

    A config is deleted only if its table is gone: ``migrate --fake`` and SeparateDatabaseAndState
    leave it. Returns the new labels that configs have been given.
    """
    given: set[str] = set()
    for migration, backwards in plan:
        for change in _changes(migration.operations, backwards):
            given |= _follow(change, migration.app_label, using, backwards)
    return given


def is_renamed(model: type[models.Model], using: str, given: Collection[str]) -> bool:
    """Whether the table's config has just been given one of these labels, which the code lacks.

    Then migrations and code disagree on the model's name, and the config stays.
    """
    if not given or _config(model._meta.label_lower) is not None:
        return False
    parent = read_table(connections[using], model)
    found = config_claims.rivals_of(PartitionConfig(), parent, using) if parent else ()
    return any(each.label in given for each in found)


def hand_over_unused(model: type[models.Model], using: str) -> None:
    """Delete the model's unused config where another config's logs record the table's partitions.

    New code that runs before its migrations can have made it, when the table did not exist.
    """
    config = _config(model._meta.label_lower)
    if config is None or _is_used(config):
        return
    parent = read_table(connections[using], model)
    found = config_claims.rivals_of(config, parent, using) if parent else ()
    if parent and len(found) == 1 and config_claims.is_free(found[0], parent, using):
        _relabel(configs().get(pk=found[0].key), config.model_label)


def _changes(operations: Sequence[Any], backwards: bool) -> Iterator[Any]:
    """Yield the changes of the project's state in the order they were applied or undone."""
    for operation in reversed(operations) if backwards else operations:
        if isinstance(operation, SeparateDatabaseAndState):
            yield from _changes(operation.state_operations, backwards)
        else:
            yield operation


def _follow(change: Any, app_label: str, using: str, backwards: bool) -> set[str]:
    if isinstance(change, RenameModel):
        names = (change.old_name_lower, change.new_name_lower)
        old, new = reversed(names) if backwards else names
        if _decides(using, app_label, new):
            _follow_renaming(f"{app_label}.{old}", f"{app_label}.{new}", using, backwards)
            return {f"{app_label}.{new}"}
    elif isinstance(change, CreateModel if backwards else DeleteModel):
        name = change.name_lower
        if _decides(using, app_label, name):
            _follow_removal(f"{app_label}.{name}", using)
    return set()


def _decides(using: str, app_label: str, model_name: str) -> bool:
    """Whether the model's table is in ``using``, and not only recorded as migrated there.

    Where it may be in several databases, that of our own tables decides.
    """
    rows = rows_alias()
    if using != rows and router.allow_migrate(rows, app_label, model_name=model_name):
        return False
    return bool(router.allow_migrate(using, app_label, model_name=model_name))


def _follow_renaming(old: str, new: str, using: str, backwards: bool) -> None:
    config = _config(old)
    if config is None or (backwards and _has_table_of_its_name(config, using)):
        return
    if not _relabel(config, new):
        logger.warning(
            "%s is called %s by now, which has a config in use already, so both are left: give"
            " that one what you want of the other, and delete the other in the admin.",
            old,
            new,
        )


def _has_table_of_its_name(config: PartitionConfig, using: str) -> bool:
    """Whether the code's model still has the table named for it, which is no other config's.

    Then the rename was only recorded as undone (``--fake``), or it would have renamed the table.
    """
    model = _decorated(config.model_label)
    if model is None or "db_table" in model._meta.original_attrs:
        return False
    return _has_table_named_for(config, using)


def _relabel(config: PartitionConfig, label: str) -> bool:
    """Relabel the config and delete an unused one of that label; False where that one is used."""
    with transaction.atomic(using=rows_alias()):
        other = _config(label)
        if other is not None:
            if _is_used(other):
                return False
            other.delete()
        return config_claims.relabel(config.pk, config.model_label, label) is not None


def _is_used(config: PartitionConfig) -> bool:
    """Whether the config has recorded a partition or a run with actions.

    New code that runs before its migrations makes a config, and its passes find no table.
    """
    return config.logs.exists() or config.runs.exclude(actions=[]).exists()


def _follow_removal(label: str, using: str) -> None:
    config = _config(label)
    if config is not None and not _has_table(config, using):
        config.delete()


def _has_table(config: PartitionConfig, using: str) -> bool:
    """Whether a recorded partition is attached to a table, or a table has the model's name.

    A table whose partitions are recorded for another config belongs to that one.
    """
    relids = list(config.logs.values_list("relid", flat=True))
    if fetch_one(connections[using], IS_ANY_ATTACHED, [relids])[0]:
        return True
    return _has_table_named_for(config, using)


def _has_table_named_for(config: PartitionConfig, using: str) -> bool:
    parent = _table_named_for(config.model_label, using)
    return parent is not None and not _is_of_another(parent, config)


def _table_named_for(label: str, using: str) -> Parent | None:
    """Return the partitioned table of this model, or None."""
    model = _decorated(label)
    if model is not None:
        parent = read_table(connections[using], model)
    else:
        parent = read_parent(connections[using], label.replace(".", "_"), zone=conf.zone())
    return None if parent is None or parent.key_format is None else parent


def _is_of_another(parent: Parent, config: PartitionConfig) -> bool:
    logs = PartitionLog.objects.using(rows_alias()).exclude(config=config)
    return logs.filter(relid__in=[each.oid for each in parent.partitions]).exists()


def _decorated(label: str) -> type[models.Model] | None:
    return next((each for each in registry() if each._meta.label_lower == label), None)


def _config(label: str) -> PartitionConfig | None:
    return configs().filter(model_label=label).first()
