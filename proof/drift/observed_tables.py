"""Snapshot of the table, of all that looks like a partition of it, and of where the rows are.

Read by queries of its own, so that a mistake in ``postgres.catalog`` cannot hide itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import connection, models

from pg_timepart.partitions.bounds import Bounds
from tests.apps.depot.models import Pallet, Weighing
from tests.support.key_values import KeyValues, key_of, key_values_of

TABLES = """
SELECT c.oid::bigint, n.nspname, c.relname, c.relkind::text,
       i.inhrelid IS NOT NULL, COALESCE(i.inhdetachpending, false),
       pg_get_expr(c.relpartbound, c.oid), COALESCE(s.spcname, 'pg_default'),
       obj_description(c.oid, 'pg_class')
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = %(parent)s::regclass
WHERE c.relkind IN ('r', 'p') AND starts_with(c.relname, %(parent)s)
AND c.oid <> %(parent)s::regclass AND (i.inhrelid IS NOT NULL OR NOT c.relispartition)
ORDER BY n.nspname, c.relname
"""

REFERENCES: dict[type[models.Model], tuple[str, str]] = {
    Pallet: (Weighing._meta.db_table, "pallet_id"),
}
"""The other tables with a foreign key to the table, and its column there."""

_BOUNDS = re.compile(r"FOR VALUES FROM \((.+)\) TO \((.+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A partition, or a table that is or was meant to be one."""

    oid: int
    schema: str
    name: str
    kind: str
    """``r``, or ``p`` for one that is partitioned itself."""

    is_attached: bool
    is_pending: bool
    is_default: bool
    bounds: Bounds | None
    tablespace: str
    comment: str | None
    values: frozenset[int] = frozenset()
    """The rows in it, by their unique values."""

    is_referred: bool = False
    """Whether rows of another table refer to rows in it."""

    @property
    def sql(self) -> str:
        """Its name for statements."""
        return f'"{self.schema}"."{self.name}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSnapshot:
    """Everything at one moment."""

    tables: tuple[Table, ...] = ()

    def __iter__(self) -> Iterator[Table]:
        return iter(self.tables)

    @property
    def by_oid(self) -> dict[int, Table]:
        """The tables by OID."""
        return {each.oid: each for each in self.tables}

    @property
    def ranged(self) -> list[Table]:
        """What hangs on the parent and has bounds, pending detaches included."""
        return [each for each in self.tables if each.is_attached and each.bounds]

    @property
    def firm(self) -> list[Table]:
        """What hangs on the parent, has bounds and no pending detach."""
        return [each for each in self.ranged if not each.is_pending]

    @property
    def pending(self) -> list[Table]:
        """What somebody has begun to detach."""
        return [each for each in self.tables if each.is_pending]

    @property
    def referred(self) -> list[Table]:
        """What rows of another table refer to."""
        return [each for each in self.tables if each.is_referred]

    @property
    def loose(self) -> list[Table]:
        """What hangs on nothing."""
        return [each for each in self.tables if not each.is_attached]

    @property
    def default(self) -> Table | None:
        """The default partition."""
        return next((each for each in self.tables if each.is_default), None)


def take_snapshot(model: type[models.Model]) -> TableSnapshot:
    """Return what is there now; fail if a row is in two tables, or twice in one."""
    with connection.cursor() as cursor:
        cursor.execute(TABLES, {"parent": model._meta.db_table})
        keys = key_values_of(model)
        found = [_table(row, keys) for row in cursor.fetchall()]
        values: dict[int, list[int]] = {each.oid: [] for each in found}
        referred: set[int] = set()
        if found:
            cursor.execute(
                " UNION ALL ".join(
                    f"SELECT {each.oid}, value, {_refers(model)} FROM {each.sql}" for each in found
                )
            )
            for oid, value, is_referred in cursor.fetchall():
                values[oid].append(value)
                referred |= {oid} if is_referred else set()
    everywhere = [value for group in values.values() for value in group]
    assert len(everywhere) == len(set(everywhere)), "a row is there twice"
    return TableSnapshot(
        tables=tuple(
            replace(each, values=frozenset(values[each.oid]), is_referred=each.oid in referred)
            for each in found
        )
    )


def _refers(model: type[models.Model]) -> str:
    """Return the condition that another row refers to a row of the table."""
    if model not in REFERENCES:
        return "false"
    table, column = REFERENCES[model]
    return f"{key_of(model)} IN (SELECT {column} FROM {table})"


def visible(model: type[models.Model]) -> frozenset[int]:
    """Return the rows that the application finds."""
    return frozenset(model._default_manager.values_list("value", flat=True))


def _table(row: tuple[Any, ...], keys: KeyValues) -> Table:
    oid, schema, name, kind, is_attached, is_pending, bound, tablespace, comment = row
    return Table(
        oid=oid,
        schema=schema,
        name=name,
        kind=kind,
        is_attached=is_attached,
        is_pending=is_pending,
        is_default=bound == "DEFAULT",
        bounds=_bounds(bound or "", keys),
        tablespace=tablespace,
        comment=comment,
    )


def _bounds(text: str, keys: KeyValues) -> Bounds | None:
    match = _BOUNDS.match(text)
    return Bounds(start=_moment(match[1], keys), end=_moment(match[2], keys)) if match else None


def _moment(side: str, keys: KeyValues) -> datetime | None:
    return None if side in {"MINVALUE", "MAXVALUE"} else keys.moment(side.strip("'"))
