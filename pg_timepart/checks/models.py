"""Checks of a decorated model, as far as its class can tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Notice
from django.db import connections, models, router

from pg_timepart.checks.defaults import check_defaults
from pg_timepart.checks.key_values import check_key_values
from pg_timepart.checks.uniqueness import check_uniqueness
from pg_timepart.partitions.key_formats.base import KeyFormat
from pg_timepart.partitions.key_formats.registry import formats_of, no_column_type_of
from pg_timepart.schema.declaration import Declaration, key_field
from pg_timepart.schema.registry import decorated_classes, manager_of


def check_models(app_configs: Sequence[AppConfig] | None = None, **_: Any) -> list[CheckMessage]:
    """Return errors in the decorated models of these apps; None means all."""
    labels = None if app_configs is None else {config.label for config in app_configs}
    return [
        message
        for model in decorated_classes()
        if labels is None or model._meta.app_label in labels
        for message in check_model(model)
    ]


def check_model(model: type[models.Model]) -> Iterator[CheckMessage]:
    """Yield the errors in one decorated model."""
    manager = manager_of(model)
    unfit = _check_class(model)
    if unfit is not None:
        yield unfit
        return
    yield from _check_database(model)
    key = _key(model, manager.declaration)
    if isinstance(key, CheckMessage):
        yield key
        return
    formats = formats_of(manager.declaration.key_format)
    yield from _check_key(key, formats)
    yield from _check_type(model, key, formats)
    yield from check_key_values(key, manager.declaration.key_format)
    yield from _check_widen_keys(model, manager.declaration)
    yield from check_defaults(model, manager.defaults, key, formats)
    yield from check_uniqueness(model, manager.declaration)


def _check_class(model: type[models.Model]) -> CheckMessage | None:
    if model._meta.abstract:
        kind, hint = "an abstract model", "Decorate each concrete model that derives from it."
    elif model._meta.proxy:
        kind, hint = "a proxy model", "Decorate the model whose table it shows."
    elif model._meta.parents:
        parent = next(iter(model._meta.parents))._meta.label
        kind = f"a child of {parent} by multi-table inheritance, so that the key may be over there"
        hint = f"Decorate {parent}, or make it abstract."
    else:
        return None
    return Error(
        f"{model._meta.label} is {kind}; it cannot be partitioned.",
        hint=hint,
        obj=model,
        id="pg_timepart.E004",
    )


def _check_database(model: type[models.Model]) -> Iterator[CheckMessage]:
    alias = router.db_for_write(model)
    vendor = connections[alias].vendor
    if vendor != "postgresql":
        yield Error(
            f"{model._meta.label} is partitioned, but its database {alias!r} is {vendor}.",
            hint="Route the model to a PostgreSQL database, in DATABASES and DATABASE_ROUTERS.",
            obj=model,
            id="pg_timepart.E009",
        )


def _key(
    model: type[models.Model], declaration: Declaration
) -> models.Field[Any, Any] | CheckMessage:
    field: models.Field[Any, Any] | None = key_field(model, declaration)
    if field is not None:
        return field
    known = ", ".join(each.name for each in model._meta.concrete_fields)
    return Error(
        f"{model._meta.label} is partitioned by {declaration.key!r}, which is not one of its "
        "columns.",
        hint=f"Name one of its date or time fields in the decorator. Its fields: {known}.",
        obj=model,
        id="pg_timepart.E001",
    )


def _check_widen_keys(
    model: type[models.Model], declaration: Declaration
) -> Iterator[CheckMessage]:
    given: object = declaration.widen_keys
    if not isinstance(given, bool):
        yield Error(
            f"{model._meta.label}: widen_keys must be True or False, not {given!r}.",
            hint="Correct it in the decorator.",
            obj=model,
            id="pg_timepart.E007",
        )


def _check_key(key: models.Field[Any, Any], formats: Sequence[KeyFormat]) -> Iterator[CheckMessage]:
    if not _is_of_a_class(key, formats):
        yield Error(
            f"The partition key {key} is a {type(key).__name__}.",
            hint=f"Partition by {_classes(formats)}.",
            obj=key,
            id="pg_timepart.E002",
        )
    if key.null:
        yield Error(
            f"The partition key {key} may be null, and no partition takes such a row.",
            hint="Remove null=True, and give the rows without a time one.",
            obj=key,
            id="pg_timepart.E003",
        )
    if getattr(key, "auto_now", False):
        yield Notice(
            f"The partition key {key} has auto_now: each save() moves the row to the partition of"
            " now, and out of what retention would have taken.",
            hint="Partition by the time of creation (auto_now_add, or default=timezone.now), and"
            " keep the time of changes in another field.",
            obj=key,
            id="pg_timepart.W020",
        )


def _check_type(
    model: type[models.Model], key: models.Field[Any, Any], formats: Sequence[KeyFormat]
) -> Iterator[CheckMessage]:
    """Yield an error for a field of this class whose database column has another type."""
    connection = connections[router.db_for_write(model)]
    if connection.vendor != "postgresql" or not _is_of_a_class(key, formats):
        return
    declared = str(key.db_type(connection))
    if not any(each.is_declared_by(declared) for each in formats):
        yield Error(
            f"The partition key {key} is a {type(key).__name__} whose column is of the type"
            f" {declared}, which is {no_column_type_of(formats)}.",
            hint=f"Partition by {_classes(formats)} whose column (db_type) is of the type"
            f" {_types(formats)}.",
            obj=key,
            id="pg_timepart.E002",
        )


def _is_of_a_class(key: models.Field[Any, Any], formats: Sequence[KeyFormat]) -> bool:
    return isinstance(key, tuple(each.field_class for each in formats))


def _classes(formats: Sequence[KeyFormat]) -> str:
    return "a field of class " + " or ".join(each.field_class.__name__ for each in formats)


def _types(formats: Sequence[KeyFormat]) -> str:
    return " or ".join(each for key_format in formats for each in key_format.column_types)
