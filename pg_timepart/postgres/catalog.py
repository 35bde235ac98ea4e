"""Read parents, their partitions and detached tables from ``pg_catalog``.

Every query is schema-qualified, runs through ``search_path`` and binds its values. None takes a
lock that conflicts with an application's queries, and none needs a transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.partitions.bounds import BoundLiterals, Bounds, in_order, literals_in
from pg_timepart.partitions.key_formats.base import KeyFormat
from pg_timepart.partitions.key_formats.registry import format_of_column
from pg_timepart.partitions.tables import Parent, Partition, Relation
from pg_timepart.postgres.catalog_queries import (
    COMMENTED,
    EVERYTHING,
    NAME_IS_TAKEN,
    NAMED,
    PARTITIONED,
    ROOT_AND_NAMESAKE,
)
from pg_timepart.postgres.check_constraints import EXCLUSION_PATTERN
from pg_timepart.postgres.ddl import quoted
from pg_timepart.postgres.search_path import fetch_all, fetch_one
from pg_timepart.postgres.table_comments import COMMENT_PATTERN, MAX_REMEMBERED, parse_comment


class _Row(NamedTuple):
    """A row of ``EVERYTHING``: a parent with one of its partitions, or one of the two alone."""

    number: int | None
    """Position of the table among those asked for; None for a detached partition alone."""

    oid: int
    schema: str
    name: str
    tablespace: str | None
    description: str
    by_one_range: bool
    key: str | None
    key_type: str
    owner: str

    leaf: Any
    """OID of the partition or detached table; None for a parent without any."""

    leaf_schema: str
    leaf_name: str
    expression: str | None
    leaf_tablespace: str
    is_pending: bool | None
    exclusion_checks: list[str] | None
    leaf_owner: str
    comment: str | None
    has_foreign_keys: bool
    """Whether the parent has some; beside a detached table alone, whether that has."""

    home: str
    read_at: datetime


def read_parents(
    connection: BaseDatabaseWrapper,
    db_tables: Sequence[str],
    *,
    zone: tzinfo,
    formats: Mapping[str, KeyFormat] | None = None,
    detached: Mapping[str, Sequence[int]] | None = None,
) -> dict[str, Parent]:
    """Return the parent of each of ``db_tables`` that exists, in one query.

    ``db_tables`` are names in the form of ``Meta.db_table``. ``formats`` are the key formats that
    models declare, by such a name; otherwise the column's type implies one. They read the bounds,
    in ``zone``. ``detached`` are OIDs to look up too, by the name of the table whose partitions
    they were; each parent's ``detached`` holds those of its own that still exist.
    """
    names = [connection.ops.quote_name(each) for each in db_tables]
    wanted, declared = detached or {}, formats or {}
    values = {"oids": [*chain.from_iterable(wanted.values())], "excluding": EXCLUSION_PATTERN}
    rows = [_Row(*each) for each in fetch_all(connection, EVERYTHING, values, tables=names)]
    alone = {each.leaf: _of_detached(each) for each in rows if each.number is None}
    grouped: dict[str, list[_Row]] = {}
    for row in rows:
        if row.number is not None:
            grouped.setdefault(db_tables[row.number - 1], []).append(row)
    return {
        table: _parent(group, _present(alone, wanted.get(table, ())), declared.get(table), zone)
        for table, group in grouped.items()
    }


def read_parent(
    connection: BaseDatabaseWrapper,
    db_table: str,
    *,
    zone: tzinfo,
    key_format: KeyFormat | None = None,
    detached: Sequence[int] = (),
) -> Parent | None:
    """Return one parent, or None where the table does not exist; see read_parents()."""
    formats = {db_table: key_format} if key_format is not None else {}
    found = read_parents(
        connection, [db_table], zone=zone, formats=formats, detached={db_table: detached}
    )
    return found.get(db_table)


def read_commented(connection: BaseDatabaseWrapper, kinds: str = "rfp") -> tuple[Partition, ...]:
    """Return the unattached tables, of these ``relkind``, with a comment of ours, of any owner."""
    found = _read_detached(
        connection, COMMENTED, {"pattern": COMMENT_PATTERN, "kinds": list(kinds)}
    )
    return tuple(each for each in found if each.comment is not None)


def read_partitioned(connection: BaseDatabaseWrapper, name: str) -> list[tuple[Relation, str]]:
    """Return the partitioned tables of this name, in whatever schema, and their owners."""
    return [
        (Relation(oid=oid, schema=schema, name=name), owner)
        for oid, schema, name, owner in fetch_all(connection, PARTITIONED, [name])
    ]


def is_taken(connection: BaseDatabaseWrapper, schema: str, name: str) -> bool:
    """Return whether the name is taken in the schema, by a relation or a type."""
    return bool(fetch_one(connection, NAME_IS_TAKEN, {"schema": schema, "name": name})[0])


def read_named(connection: BaseDatabaseWrapper, schema: str, name: str) -> Partition | None:
    """Return the unattached table of this name, or None."""
    found = _read_detached(connection, NAMED, {"schema": schema, "name": name})
    return found[0] if found else None


def has_no_parent(connection: BaseDatabaseWrapper, table: Relation) -> bool:
    """Return whether the table is attached to no parent and still has its name, as of now."""
    root, namesake = _root_and_namesake(connection, table)
    return root in (None, table.oid) and namesake == table.oid


def has_its_name(connection: BaseDatabaseWrapper, table: Relation) -> bool:
    """Return whether the name still belongs to this table, partition or not, as of now."""
    _, namesake = _root_and_namesake(connection, table)
    return namesake == table.oid


def _root_and_namesake(
    connection: BaseDatabaseWrapper, table: Relation
) -> tuple[int | None, int | None]:
    name = quoted(table.schema, table.name)
    with connection.cursor() as cursor:
        cursor.execute(ROOT_AND_NAMESAKE, {"oid": table.oid, "name": name})
        root, namesake = cursor.fetchone()
    return root, namesake


def tablespaces(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the names of the tablespaces that tables may live in."""
    query = "SELECT spcname FROM pg_catalog.pg_tablespace WHERE spcname <> 'pg_global' ORDER BY 1"
    return [name for (name,) in fetch_all(connection, query)]


def _read_detached(
    connection: BaseDatabaseWrapper, query: str, values: dict[str, Any]
) -> tuple[Partition, ...]:
    return tuple(_detached(*row) for row in fetch_all(connection, query, values))


def _of_detached(row: _Row) -> Partition:
    return _detached(
        row.leaf,
        row.leaf_schema,
        row.leaf_name,
        row.leaf_tablespace,
        row.leaf_owner,
        row.comment,
        row.has_foreign_keys,
    )


def _present(alone: Mapping[int, Partition], oids: Sequence[int]) -> tuple[Partition, ...]:
    return tuple(alone[oid] for oid in dict.fromkeys(oids) if oid in alone)


def _parent(
    rows: list[_Row],
    detached: tuple[Partition, ...],
    declared: KeyFormat | None,
    zone: tzinfo,
) -> Parent:
    first = rows[0]
    has_key = bool(first.by_one_range and first.key)
    key_format = format_of_column(first.key_type, declared) if has_key else None
    found = [_attached(each, key_format, zone) for each in rows if each.leaf is not None]
    return Parent(
        oid=first.oid,
        schema=first.schema,
        name=first.name,
        key_format=key_format,
        key=first.key if first.by_one_range else None,
        key_type=first.key_type if has_key else None,
        description=first.description,
        tablespace=first.tablespace,
        home=first.home,
        partitions=tuple(sorted(found, key=lambda each: in_order(each.bounds))),
        detached=detached,
        read_at=first.read_at,
        has_foreign_keys=first.has_foreign_keys,
        owner=first.owner,
    )


def _attached(row: _Row, key_format: KeyFormat | None, zone: tzinfo) -> Partition:
    literals, bounds = _bounds_in(row.expression, key_format, zone)
    return Partition(
        oid=row.leaf,
        schema=row.leaf_schema,
        name=row.leaf_name,
        bounds=bounds,
        literals=literals,
        tablespace=row.leaf_tablespace,
        is_attached=True,
        is_pending=bool(row.is_pending),
        is_default=row.expression == "DEFAULT",
        exclusion_checks=tuple(row.exclusion_checks or ()),
        comment=parse_comment(row.comment),
        has_comment=row.comment is not None,
        owner=row.leaf_owner,
    )


@lru_cache(maxsize=MAX_REMEMBERED)
def _bounds_in(
    expression: str | None, key_format: KeyFormat | None, zone: tzinfo
) -> tuple[BoundLiterals | None, Bounds | None]:
    """Return the bounds of a partition as literals and as moments; each pass reads the same."""
    literals = literals_in(expression)
    return literals, key_format.read(literals, zone) if key_format and literals else None


def _detached(
    oid: int,
    schema: str,
    name: str,
    tablespace: str,
    owner: str,
    comment: str | None,
    has_foreign_keys: bool,
) -> Partition:
    """Return a row of ``DETACHED`` as a value."""
    said = parse_comment(comment)
    return Partition(
        oid=oid,
        schema=schema,
        name=name,
        bounds=None,
        literals=said.literals if said else None,
        tablespace=tablespace,
        is_attached=False,
        comment=said,
        has_comment=comment is not None,
        owner=owner,
        has_foreign_keys=has_foreign_keys,
    )
