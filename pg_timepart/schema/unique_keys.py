"""Unique constraints of a partitioned table: widened by the partition key, and named. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from typing import Any, TypeAlias

from django.db import models
from django.db.backends.utils import names_digest, strip_quotes
from django.db.models.expressions import Col, Expression, ExpressionList, F
from django.db.models.indexes import IndexExpression
from django.db.models.sql import Query

from pg_timepart.partitions.names import MAX_NAME_BYTES, shortened
from pg_timepart.schema.declaration import Field

Model: TypeAlias = type[models.Model]


def count_written(model: Model, columns: Sequence[str]) -> int:
    """Return how often unique_together declares exactly these columns, the key among them."""
    return _together(model).count([*columns])


def count_widened(model: Model, columns: Sequence[str], key: Field) -> int:
    """Return how many declarations without the key are widened to exactly these columns."""
    fields: list[Field] = [*model._meta.local_concrete_fields]
    singles = [
        [strip_quotes(field.column)]
        for field in fields
        if field.unique and not field.primary_key and not is_same(key, field)
    ]
    return [[*each, strip_quotes(key.column)] for each in (*singles, *_together(model))].count(
        [*columns]
    )


def _together(model: Model) -> list[list[str]]:
    """Return the columns of each unique_together."""
    return [columns_of(model, names) for names in model._meta.unique_together]


def columns_of(model: Model, names: Iterable[str]) -> list[str]:
    """Return the columns of these fields; a foreign key may be named as its column is."""
    fields: Iterable[Field] = map(model._meta.get_field, names)
    return [strip_quotes(field.column) for field in fields]


def without_uniqueness(field: Any) -> Any:
    """Return a copy of the field that is neither unique nor a primary key."""
    plain = copy(field)
    plain.primary_key = False
    plain._unique = False
    # Django caches values that it derives from these two.
    plain.__dict__.pop("unique", None)
    return plain


def is_same(key: Field | None, field: Any) -> bool:
    """Whether ``field`` is the key, also when one of the two has just been renamed."""
    return key is not None and (key.column == field.column or key.name == field.name)


def is_named(field: Any, column: str) -> bool:
    """Whether the field's column has this name, quoted by hand or not."""
    return strip_quotes(field.column) == strip_quotes(column)


def short_name(name: str) -> str:
    """Return the name with a hash for its end, where it is longer than the server's 63 bytes.

    Django counts characters, and the server would cut off the unique end of the name.
    """
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    # Django's digest, not ours: existing constraints are found by this name.
    return shortened(name, "_" + names_digest(name, length=8))


def with_key(fields: Sequence[Any], key: Field) -> list[Any]:
    """Return the fields, and the key where it is not among them."""
    return list(fields) if any(is_same(key, field) for field in fields) else [*fields, key]


def with_key_expression(model: Model, expressions: ExpressionList, key: Field) -> ExpressionList:
    """Return the resolved expressions of an index, and the key where it is not among them."""
    sources = expressions.get_source_expressions()
    if any(_is_column(source, key) for source in sources):
        return expressions
    added = F(key.name).resolve_expression(Query(model, alias_cols=False))
    return ExpressionList(*sources, added)


def _is_column(source: Expression, key: Field) -> bool:
    """Whether an index expression is nothing but the key's column, maybe with an order."""
    wrappers: tuple[type[Any], ...] = (IndexExpression, *IndexExpression.wrapper_classes)
    parts = [part for part in source.flatten() if not isinstance(part, wrappers)]
    return len(parts) == 1 and isinstance(parts[0], Col) and parts[0].target.column == key.column
