"""After ``migrate``: configs go with their models, as migrations renamed and removed these."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import models, router
from django.db.migrations import CreateModel, DeleteModel, RenameModel

from pg_timepart.declaring import registry
from pg_timepart.maintenance.marking import mark_again
from pg_timepart.maintenance.targets import target_of
from pg_timepart.models import PartitionConfig


def follow_models(plan: Iterable[tuple[Any, bool]], using: str) -> None:
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
