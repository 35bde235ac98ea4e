"""W021: what a model declares unique and its partitioned table does not enforce.

Migrations create these constraints. A table that was taken over may lack them: ``save()`` and
``get()`` then meet two rows with one primary key, and ON CONFLICT is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.core.checks import CheckMessage
from django.core.checks import Warning as Notice
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import strip_quotes

from pg_timepart.partitions.tables import Parent
from pg_timepart.postgres.search_path import fetch_all
from pg_timepart.schema.declaration import Declaration, key_field
from pg_timepart.schema.registry import manager_of
from pg_timepart.schema.unique_keys import columns_of

Model = type[models.Model]
Columns = frozenset[str]

# Neither expression indexes nor partial ones.
UNIQUE = """
SELECT i.indrelid, i.indisprimary, array_agg(a.attname::text)
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid
    AND a.attnum = ANY((i.indkey::smallint[])[0:i.indnkeyatts - 1])
WHERE i.indrelid = ANY(%s::oid[]) AND i.indisunique AND i.indisvalid
AND i.indpred IS NULL AND i.indexprs IS NULL
GROUP BY i.indexrelid, i.indrelid, i.indisprimary
"""


@dataclass(frozen=True, slots=True)
class Unique:
    """Columns that are unique together, as declared or as enforced."""

    columns: Columns
    is_primary: bool = False


def check_enforcement(
    connection: BaseDatabaseWrapper, tables: Iterable[tuple[Model, Parent]]
) -> Iterator[CheckMessage]:
    """Yield a warning for each partitioned table that lacks a declared unique constraint."""
    known = {parent.oid: model for model, parent in tables}
    enforced: dict[int, list[Unique]] = {oid: [] for oid in known}
    for oid, is_primary, columns in fetch_all(connection, UNIQUE, [list(known)]) if known else ():
        enforced[oid].append(Unique(frozenset(columns), is_primary))
    for oid, model in known.items():
        for wanted in _declared(model, manager_of(model).declaration):
            if not any(_holds(found, wanted) for found in enforced[oid]):
                yield _lacking(connection, model, wanted)


def _holds(found: Unique, wanted: Unique) -> bool:
    return found.columns <= wanted.columns and (found.is_primary or not wanted.is_primary)


def _declared(model: Model, declaration: Declaration) -> Iterator[Unique]:
    """Yield the constraints that migrations make: those with the key, and those widened by it."""
    key: Any = key_field(model, declaration)
    if key is None:
        return
    column = strip_quotes(key.column)
    for each in _written(model):
        if column in each.columns or declaration.widen_keys:
            yield Unique(each.columns | {column}, each.is_primary)


def _written(model: Model) -> Iterator[Unique]:
    primary: Any = model._meta.pk
    names = getattr(primary, "field_names", (primary.name,))
    yield _unique(model, names, is_primary=True)
    for field in model._meta.local_concrete_fields:
        if field.unique and not field.primary_key:
            yield _unique(model, (field.name,))
    for together in model._meta.unique_together:
        yield _unique(model, together)
    for constraint in model._meta.constraints:
        if isinstance(constraint, models.UniqueConstraint) and _is_plain(constraint):
            yield _unique(model, constraint.fields)


def _unique(model: Model, names: Iterable[str], *, is_primary: bool = False) -> Unique:
    return Unique(frozenset(columns_of(model, names)), is_primary)


def _is_plain(constraint: models.UniqueConstraint) -> bool:
    """Whether a constraint is on columns only and covers all rows."""
    return bool(constraint.fields) and constraint.condition is None


def _lacking(connection: BaseDatabaseWrapper, model: Model, wanted: Unique) -> CheckMessage:
    name, columns = model._meta.db_table, sorted(wanted.columns)
    what = "PRIMARY KEY" if wanted.is_primary else "UNIQUE"
    quote = connection.ops.quote_name
    quoted = ", ".join(map(quote, columns))
    return Notice(
        f"The table {name!r} of {model._meta.label} in the database {connection.alias!r} has no"
        f" {what} ({', '.join(columns)}), which the model declares.",
        hint=f"ALTER TABLE {quote(name)} ADD {what} ({quoted}), which locks the table while it is"
        " built; or declare what the table has.",
        obj=model,
        id="pg_timepart.W021",
    )
