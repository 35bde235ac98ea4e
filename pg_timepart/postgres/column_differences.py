"""Columns that differ between a detached table and its parent, and which of them forbid ATTACH."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.partitions.tables import Relation
from pg_timepart.postgres.ddl import quoted
from pg_timepart.postgres.search_path import fetch_all

# Of each pair of a parent and a leaf, the columns that are not the same in both. Asks no function
# that would wait for a locked table. An identity of the leaf forbids ATTACH from
# 17 on, where a partition has its parent's until its detach has ended.
DIFFERENCES = """
WITH pairs AS (
    SELECT w.parent, w.leaf
    FROM ROWS FROM (unnest(%(parents)s::oid[]), unnest(%(leaves)s::oid[])) AS w(parent, leaf)
), sides AS (
    SELECT p.leaf AS pair, CASE WHEN a.attrelid = p.leaf THEN 'own' ELSE 'wanted' END AS side,
           a.attname, a.attnum, a.atttypid, a.atttypmod, a.attcollation, a.attnotnull, a.atthasdef,
           a.attgenerated, CASE WHEN a.attrelid = p.leaf AND (
               current_setting('server_version_num')::int < 170000
               OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = p.leaf))
           THEN '' ELSE a.attidentity END AS attidentity
    FROM pairs p JOIN pg_catalog.pg_attribute a
    ON a.attrelid IN (p.parent, p.leaf) AND a.attnum > 0 AND NOT a.attisdropped
), differing AS (
    SELECT pair, attname FROM sides GROUP BY pair, attname
    HAVING count(*) = 1
    OR count(DISTINCT (atttypid, atttypmod, attcollation, attgenerated)) > 1
    OR (bool_or(attnotnull) FILTER (WHERE side = 'wanted')
        AND NOT bool_or(attnotnull) FILTER (WHERE side = 'own'))
    OR bool_or(attidentity <> '') FILTER (WHERE side = 'own')
)
SELECT s.pair::bigint, s.attname, json_object_agg(s.side, json_build_object(
    'number', s.attnum, 'sql_type', format_type(s.atttypid, s.atttypmod),
    'collation', CASE WHEN s.attcollation <> t.typcollation THEN
                      format('%%I.%%I', n.nspname, c.collname) END,
    'is_not_null', s.attnotnull, 'has_default', s.atthasdef,
    'generated', s.attgenerated, 'identity', s.attidentity))::text
FROM sides s JOIN differing d ON d.pair = s.pair AND d.attname = s.attname
JOIN pg_catalog.pg_type t ON t.oid = s.atttypid
LEFT JOIN pg_catalog.pg_collation c ON c.oid = s.attcollation
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
GROUP BY s.pair, s.attname
ORDER BY 1, min(s.attnum)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column, on one side."""

    number: int
    """``pg_attribute.attnum``."""

    sql_type: str
    collation: str | None
    """Quoted and with its schema; None for the type's own."""

    is_not_null: bool
    has_default: bool
    """Whether the catalog has a default; Django's own defaults are not there."""

    generated: str
    """``pg_attribute.attgenerated``: s, v, or empty."""

    identity: str

    @property
    def typed(self) -> str:
        """The type, and the collation where that is not the type's."""
        return f"{self.sql_type} COLLATE {self.collation}" if self.collation else self.sql_type

    @property
    def can_be_added(self) -> bool:
        """Whether a table with rows can get the column without a person giving its value."""
        if self.generated:
            return True
        return not self.identity and (self.has_default or not self.is_not_null)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A column that differs between a detached table and its parent."""

    name: str
    wanted: Column | None
    """As the parent has it, or None."""

    own: Column | None
    """As the detached table has it, or None."""


def read_differences(
    connection: BaseDatabaseWrapper, pairs: Sequence[tuple[int, int]]
) -> dict[int, tuple[Difference, ...]]:
    """Return differences by the leaf's OID, for OIDs of parents and leaves; in one query."""
    if not pairs:
        return {}
    values = {"parents": [each for each, _ in pairs], "leaves": [each for _, each in pairs]}
    found: dict[int, list[Difference]] = {}
    for oid, name, sides in fetch_all(connection, DIFFERENCES, values):
        found.setdefault(oid, []).append(_difference(name, sides))
    return {oid: tuple(each) for oid, each in found.items()}


def obstacles(table: Relation, differences: Sequence[Difference]) -> tuple[str, ...]:
    """Return the differences that forbid ATTACH and that only a person may end, with SQL.

    No column is dropped, no value is converted, and no rename is guessed.
    """
    added = {each.name: each.wanted for each in differences if each.wanted and not each.own}
    return tuple(
        f"{what}: {statement}"
        for each in differences
        for what, statement in _obstacle(quoted(table.schema, table.name), each, added)
    )


def _obstacle(
    table: str, difference: Difference, added: Mapping[str, Column]
) -> Iterator[tuple[str, str]]:
    """Yield why one column forbids ATTACH, and the SQL that ends it."""
    name, wanted, own = difference.name, difference.wanted, difference.own
    column, alter = quoted(name), f"ALTER TABLE {table}"
    if wanted is None and own is not None:
        yield f"only it has the column {column} ({own.typed})", _rid_of(alter, column, own, added)
    elif own is None and wanted is not None:
        if not wanted.can_be_added:
            fill = f"UPDATE {table} SET {column} = ..."  # noqa: S608  # only shown
            yield (
                f"it lacks the column {column}, {wanted.typed} NOT NULL and without a default",
                f"{alter} ADD COLUMN {column} {wanted.typed}; {fill}",
            )
    elif own is not None and wanted is not None:
        yield from _unlike(alter, column, wanted, own)


def _unlike(alter: str, column: str, wanted: Column, own: Column) -> Iterator[tuple[str, str]]:
    if wanted.typed != own.typed:
        yield (
            f"the column {column} is {own.typed} there and {wanted.typed} in the parent",
            f"{alter} ALTER COLUMN {column} TYPE {wanted.typed}",
        )
    if own.generated and not wanted.generated:
        yield (
            f"the column {column} is generated there and not in the parent",
            f"{alter} ALTER COLUMN {column} DROP EXPRESSION",
        )
    elif own.generated != wanted.generated:
        yield (
            f"the column {column} is not generated there as in the parent",
            f"{alter} DROP COLUMN {column}, and the attach adds it as the parent has it",
        )
    if own.identity:
        yield (
            f"the column {column} is an identity there",
            f"{alter} ALTER COLUMN {column} DROP IDENTITY",
        )


def _rid_of(alter: str, column: str, own: Column, added: Mapping[str, Column]) -> str:
    """Return the ways to end that only the leaf has a column, between which a person chooses."""
    renames = [
        f"if it was renamed, {alter} RENAME COLUMN {column} TO {quoted(name)}"
        for name, wanted in added.items()
        if wanted.typed == own.typed
    ]
    return "; ".join([*renames, f"if it was removed, {alter} DROP COLUMN {column}"])


def _difference(name: str, sides: str) -> Difference:
    found: dict[str, Any] = json.loads(sides)
    wanted, own = found.get("wanted"), found.get("own")
    return Difference(
        name=name,
        wanted=Column(**wanted) if wanted else None,
        own=Column(**own) if own else None,
    )
