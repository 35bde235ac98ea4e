"""E006: foreign keys to a partitioned model that PostgreSQL cannot enforce."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error
from django.db import models

from pg_timepart.schema.registry import decorated_classes, manager_of


def check_foreign_keys(
    app_configs: Sequence[AppConfig] | None = None, **_: Any
) -> list[CheckMessage]:
    """Return an error for each enforced foreign key that refers to no unique column."""
    partitioned = set(decorated_classes())
    configs = apps.get_app_configs() if app_configs is None else app_configs
    referring = (
        model for config in configs for model in config.get_models(include_auto_created=True)
    )
    return [*check_references(referring, partitioned)] if partitioned else []


def check_references(
    referring: Iterable[type[models.Model]], partitioned: set[type[models.Model]]
) -> Iterator[CheckMessage]:
    """Yield an error for each foreign key from ``referring`` to one of ``partitioned``.

    Only the partition key can be unique by itself.
    """
    for model in referring:
        if not model._meta.managed or model._meta.proxy:
            continue
        for field in model._meta.local_fields:
            if not _is_enforced(field) or _target(field) not in partitioned:
                continue
            why = _why_not(field, _target(field))
            if why:
                yield _error(_declaration(model, field), _target(field), why)


def _is_enforced(field: Any) -> bool:
    return field.remote_field is not None and getattr(field, "db_constraint", False)


def _target(field: Any) -> Any:
    """Return the model with the table that the field refers to."""
    model = field.remote_field.model
    return model if isinstance(model, str) else model._meta.concrete_model


def _why_not(field: Any, target: type[models.Model]) -> str:
    """Return why no foreign key can refer to that column; empty where one can."""
    key, primary = manager_of(target).declaration.key, target._meta.pk
    referred = field.foreign_related_fields[0]
    if referred.unique and key in (referred.name, referred.attname):
        return ""
    if referred is primary:
        return (
            f"Its primary key has the partition key {key} in it, so {referred.name} alone is not"
            " unique in the database."
        )
    return (
        f"{referred.name} is unique only together with the partition key {key}: PostgreSQL wants"
        " the key in every unique constraint."
    )


def _declaration(model: type[models.Model], field: Any) -> Any:
    """Return the declared field: for the table of a many-to-many field, that field."""
    owner: Any = model._meta.auto_created
    if not owner:
        return field
    return next(
        each for each in owner._meta.local_many_to_many if each.remote_field.through is model
    )


def _error(field: Any, target: type[models.Model], why: str) -> CheckMessage:
    return Error(
        f"{field} has a foreign key to the partitioned model {target._meta.label}, which "
        f"PostgreSQL cannot check. {why}",
        hint=(
            f"Give it db_constraint=False: Django's own handling of related rows stays. A "
            f"many-to-many field takes it too, a model of your own between the two on each "
            f"foreign key to {target._meta.label}. Or partition {target._meta.label} by a primary "
            f"key that carries its time (key_format), to which foreign keys can refer."
        ),
        obj=field,
        id="pg_timepart.E006",
    )
