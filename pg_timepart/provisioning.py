"""After ``migrate``: a config row and the first partitions, so that the first INSERT works."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.apps import AppConfig
from django.db import connections, models, router
from django.db.migrations import CreateModel, DeleteModel, RenameModel

from pg_timepart import conf, schedules
from pg_timepart.catalog import read_parents
from pg_timepart.constants import Outcome
from pg_timepart.declaration import declaration_of, key_column
from pg_timepart.declaring import registry
from pg_timepart.errors import OperationFailed
from pg_timepart.maintenance.marking import mark_again
from pg_timepart.maintenance.passes import provision
from pg_timepart.maintenance.recording import Origin
from pg_timepart.maintenance.targets import Target, target_of, target_without_rows
from pg_timepart.models import PartitionConfig, PartitionLog, PartitionRun

FOUND_COLUMNS = """
SELECT count(*) FROM unnest(%s::text[], %s::text[]) AS w(relation, name)
JOIN pg_catalog.pg_attribute a
    ON a.attrelid = pg_catalog.to_regclass(w.relation) AND a.attname = w.name
WHERE NOT a.attisdropped
"""


def after_migrate(
    sender: AppConfig,  # noqa: ARG001
    *,
    using: str,
    plan: Iterable[tuple[Any, bool]] = (),
    **_kwargs: Any,
) -> None:
    """Receive post_migrate: follow renamed and deleted models, and make every table accept rows.

    Raises OperationFailed where a table cannot be provided for, so that ``migrate`` says so. A
    table that a worker has at the moment is left to it.
    """
    if connections[using].vendor != "postgresql":
        return
    if _has_rows(_rows_alias()):
        _follow_models(plan, using)
    for target in _targets(using):
        report = provision(target, origin=Origin(started_by="migrate"))
        if report.outcome is Outcome.FAILED:
            raise OperationFailed(
                f"{report.label} has no partitions for new rows: {report.reason}", report
            )
    if using == _rows_alias():
        _follow_schedules(using)


def _follow_schedules(using: str) -> None:
    """Let beat send what there is to do. Tables of an older state are left to their own release."""
    if _has_rows(using):
        schedules.sync_all()
    else:
        schedules.retire_all()


def _targets(using: str) -> list[Target]:
    """Return those decorated models whose partitioned table is in the database ``using``.

    Where our rows live elsewhere, or are not migrated yet, the table gets its first partitions
    all the same.
    """
    models_here = {each._meta.db_table: each for each in registry()}
    parents = read_parents(connections[using], list(models_here), zone=conf.zone())
    here = [
        models_here[name]
        for name, parent in parents.items()
        if _is_declared(models_here[name], parent.key)
    ]
    has_rows = _has_rows(_rows_alias())
    return [_target(each, using, has_rows) for each in here]


def _is_declared(model: type[models.Model], key: str | None) -> bool:
    declaration = declaration_of(model)
    return declaration is not None and key_column(model, declaration) == key


def _target(model: type[models.Model], using: str, has_rows: bool) -> Target:
    if has_rows and router.db_for_write(model) == using:
        return target_of(model, using)
    return target_without_rows(model, using)


def _has_rows(alias: str) -> bool:
    """Return whether our tables are in this database by now, with all of their columns."""
    if not router.allow_migrate_model(alias, PartitionConfig):
        return False
    connection = connections[alias]
    wanted = [
        (connection.ops.quote_name(each._meta.db_table), field.column)
        for each in (PartitionConfig, PartitionLog, PartitionRun)
        for field in each._meta.local_concrete_fields
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            FOUND_COLUMNS, [[table for table, _ in wanted], [name for _, name in wanted]]
        )
        return bool(cursor.fetchone()[0] == len(wanted))


def _follow_models(plan: Iterable[tuple[Any, bool]], using: str) -> None:
    """Let configs go with their models, as the migrations renamed and deleted these."""
    for migration, backwards in plan:
        for operation in migration.operations:
            if isinstance(operation, RenameModel):
                names = (operation.old_name_lower, operation.new_name_lower)
                old, new = reversed(names) if backwards else names
                if _decides(using, migration.app_label, new):
                    _rename(f"{migration.app_label}.{old}", f"{migration.app_label}.{new}")
            elif isinstance(operation, CreateModel if backwards else DeleteModel):
                name = operation.name_lower
                if _decides(using, migration.app_label, name):
                    _configs().filter(model_label=f"{migration.app_label}.{name}").delete()


def _decides(using: str, app_label: str, model_name: str) -> bool:
    """Whether the model's table is in ``using``: not just recorded as migrated there.

    Where it may be in several databases, the one of our rows decides.
    """
    rows = _rows_alias()
    if using != rows and router.allow_migrate(rows, app_label, model_name=model_name):
        return False
    return bool(router.allow_migrate(using, app_label, model_name=model_name))


def _rename(old: str, new: str) -> None:
    if _configs().filter(model_label=old).update(model_label=new):
        model = next((each for each in registry() if each._meta.label_lower == new), None)
        if model is not None:
            mark_again(target_of(model))


def _configs() -> models.QuerySet[PartitionConfig]:
    return PartitionConfig.objects.using(_rows_alias())


def _rows_alias() -> str:
    return router.db_for_write(PartitionConfig)
