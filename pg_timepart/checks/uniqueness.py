"""Unique constraints of a partitioned model that PostgreSQL cannot enforce as declared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.postgres.constraints import ExclusionConstraint
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Notice
from django.db import models
from django.db.models.expressions import F, OrderBy

from pg_timepart.schema.declaration import Declaration, key_field

Model = type[models.Model]


def check_uniqueness(model: Model, declaration: Declaration) -> Iterator[CheckMessage]:
    """Yield what PostgreSQL cannot enforce as the model declares it."""
    yield from _check_primary_key(model, declaration.key)
    yield from _check_fields(model, declaration)
    for what, has_key in _declared(model, declaration.key):
        if not has_key:
            yield _lacking(model, what, declaration)
    for constraint in model._meta.constraints:
        if isinstance(constraint, ExclusionConstraint):
            yield from _check_exclusion(model, constraint, declaration.key)


def _check_primary_key(model: Model, key: str) -> Iterator[CheckMessage]:
    primary = model._meta.pk
    if isinstance(primary, models.CompositePrimaryKey) and key not in primary.field_names:
        yield Error(
            f"The composite primary key of {model._meta.label} lacks the partition key {key!r}.",
            hint=f"Add {key!r} to it: PostgreSQL checks uniqueness within each partition only.",
            obj=model,
            id="pg_timepart.E005",
        )


def _check_fields(model: Model, declaration: Declaration) -> Iterator[CheckMessage]:
    for field in model._meta.local_concrete_fields:
        if field.unique and not field.primary_key and field.name != declaration.key:
            yield _weaker(model, f"unique=True of {field}", declaration, obj=field)


def _declared(model: Model, key: str) -> Iterator[tuple[str, bool]]:
    """Yield each declaration of several columns, and whether the key is one of them."""
    for together in model._meta.unique_together:
        yield f"unique_together {tuple(together)!r}", key in together
    for constraint in model._meta.constraints:
        if isinstance(constraint, models.UniqueConstraint):
            columns = {*constraint.fields, *map(_plain_column, constraint.expressions)}
            yield f"the constraint {constraint.name!r}", key in columns


def _plain_column(expression: Any) -> str | None:
    inner = expression.expression if isinstance(expression, OrderBy) else expression
    return getattr(inner, "name", None) if isinstance(inner, F) else None


def _lacking(model: Model, what: str, declaration: Declaration) -> CheckMessage:
    if declaration.widen_keys:
        return _weaker(model, f"{what} of {model._meta.label}", declaration, obj=model)
    return Error(
        f"PostgreSQL cannot enforce {what} of {model._meta.label}: it lacks the partition key "
        f"{declaration.key!r}.",
        hint=f"Add {declaration.key!r} to it, remove it, or leave widen_keys on.",
        obj=model,
        id="pg_timepart.E005",
    )


def _weaker(model: Model, what: str, declaration: Declaration, obj: Any) -> CheckMessage:
    return Notice(
        f"PostgreSQL enforces {what} {_extent(model, declaration)}.",
        hint=(
            "It checks uniqueness within each partition only. Say so in the model: declare a "
            f"UniqueConstraint that has {declaration.key!r}, or none. Or silence this check."
        ),
        obj=obj,
        id="pg_timepart.W001",
    )


def _extent(model: Model, declaration: Declaration) -> str:
    key = key_field(model, declaration)
    if not declaration.widen_keys:
        return "not at all, since widen_keys is off"
    if key is not None and key.unique:
        return f"not at all: {declaration.key!r}, which it adds, is unique by itself"
    return f"only among rows with the same {declaration.key!r}"


def _check_exclusion(
    model: Model, constraint: ExclusionConstraint, key: str
) -> Iterator[CheckMessage]:
    compared = {
        (getattr(each, "name", each), operator) for each, operator in constraint.expressions
    }
    if (key, "=") not in compared:
        yield Error(
            f"PostgreSQL cannot enforce the exclusion constraint {constraint.name!r} of "
            f"{model._meta.label}: it does not compare the partition key {key!r} by '='.",
            hint="Remove it, or compare the partition key too (PostgreSQL 17 or newer).",
            obj=model,
            id="pg_timepart.E005",
        )
