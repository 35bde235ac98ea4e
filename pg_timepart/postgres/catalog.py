"""What is in the database: ``pg_catalog`` read into frozen values.

Every query is schema-qualified, runs by way of ``search_path`` and binds its values. Nothing here
takes a lock that conflicts with anything an application does, and nothing needs a transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from itertools import chain
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.errors import InvalidPolicy
from pg_timepart.partitions.key_formats import KeyKind, key_kind, read_bounds
from pg_timepart.partitions.tables import Parent, Partition, Relation
from pg_timepart.postgres.action_steps import EXCLUSION_PATTERN
from pg_timepart.postgres.check_constraints import excludes
from pg_timepart.postgres.ddl import quoted
from pg_timepart.postgres.search_path import FOUND_TABLES, fetch_all, fetch_one
from pg_timepart.postgres.table_comments import COMMENT_PATTERN, MAX_COMMENT, parse_comment

# What is said about a table; other than obj_description(), it is joined once for all.
COMMENT = """
LEFT JOIN pg_catalog.pg_description m
    ON m.objoid = c.oid AND m.classoid = 'pg_catalog.pg_class'::regclass AND m.objsubid = 0
"""

# One row a partition of each wanted table, or one row with no partition. What describes a parent is
# computed once for each, not again for every partition: hence MATERIALIZED.
# Nothing here waits for a table that somebody has locked: bounds hold no column, so pg_get_expr()
# needs no table, and pg_get_partkeydef(), which would lock one, is not asked.
# https://www.postgresql.org/docs/current/catalog-pg-inherits.html
PARTITIONS = f"""
WITH home AS (
    SELECT t.spcname FROM pg_catalog.pg_database d
    JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace
    WHERE d.datname = pg_catalog.current_database()
), wanted AS (
    SELECT w.number, w.oid FROM unnest({FOUND_TABLES}) WITH ORDINALITY AS w(oid, number)
), parents AS MATERIALIZED (
    SELECT w.number, p.oid, n.nspname, p.relname, s.spcname,
           COALESCE(CASE k.partstrat WHEN 'r' THEN 'RANGE' WHEN 'l' THEN 'LIST' ELSE 'HASH' END
                    || ' (' || columns.names || ')', 'not partitioned') AS description,
           k.partstrat = 'r' AND k.partnatts = 1 AS by_one_range,
           a.attname, pg_catalog.format_type(a.atttypid, NULL) AS sql_type, k.partrelid,
           k.partdefid, pg_catalog.pg_get_userbyid(p.relowner) AS owner, EXISTS (
               SELECT FROM pg_catalog.pg_constraint f
               WHERE f.conrelid = p.oid AND f.contype = 'f') AS has_foreign_keys
    FROM wanted w
    JOIN pg_catalog.pg_class p ON p.oid = w.oid
    JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
    LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = p.reltablespace
    LEFT JOIN pg_catalog.pg_partitioned_table k ON k.partrelid = p.oid
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = p.oid AND a.attnum = k.partattrs[0]
    CROSS JOIN LATERAL (
        SELECT string_agg(COALESCE(quote_ident(c.attname), 'an expression'), ', ' ORDER BY number)
        FROM unnest(k.partattrs::smallint[]) WITH ORDINALITY AS u(attnum, number)
        LEFT JOIN pg_catalog.pg_attribute c ON c.attrelid = p.oid AND c.attnum = u.attnum
    ) AS columns(names)
)
SELECT p.number, p.oid, p.nspname, p.relname, p.spcname, p.description, p.by_one_range,
       p.attname, p.sql_type, p.owner,
       c.oid, cn.nspname, c.relname, pg_catalog.pg_get_expr(c.relpartbound, 0),
       COALESCE(cs.spcname, home.spcname), i.inhdetachpending,
       CASE WHEN c.oid = p.partdefid THEN (
           SELECT array_agg(x.conname::text ORDER BY x.conname) FROM pg_catalog.pg_constraint x
           WHERE x.conrelid = c.oid AND {excludes("p.attname")}) END,
       pg_catalog.pg_get_userbyid(c.relowner), substr(m.description, 1, {MAX_COMMENT}),
       p.has_foreign_keys, home.spcname, pg_catalog.clock_timestamp()
FROM parents p CROSS JOIN home
LEFT JOIN pg_catalog.pg_inherits i ON i.inhparent = p.partrelid
LEFT JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_tablespace cs ON cs.oid = c.reltablespace
{COMMENT}
"""  # noqa: S608  # made of constants

# Tables by OID that hang on no parent, with the comment that says whose they were.
DETACHED = f"""
SELECT c.oid, n.nspname, c.relname, COALESCE(s.spcname, home.spcname),
       pg_catalog.pg_get_userbyid(c.relowner), substr(m.description, 1, {MAX_COMMENT}), EXISTS (
           SELECT FROM pg_catalog.pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f')
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = c.reltablespace
CROSS JOIN (SELECT t.spcname FROM pg_catalog.pg_database d
            JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace
            WHERE d.datname = pg_catalog.current_database()) home
{COMMENT}
WHERE NOT c.relispartition AND c.relkind IN ('r', 'f', 'p')
"""  # noqa: S608  # made of constants

# A detached table rides along as a row without a parent, so that one query serves a whole pass.
EVERYTHING = f"""
{PARTITIONS}
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       d.oid, d.nspname, d.relname, NULL, d.spcname, NULL, NULL, d.owner, d.description,
       d.has_foreign_keys, NULL, NULL
FROM ({DETACHED} AND c.oid = ANY(%(oids)s::oid[]))
    AS d(oid, nspname, relname, spcname, owner, description, has_foreign_keys)
"""  # noqa: S608  # made of the constants above

COMMENTED = f"{DETACHED} AND m.description LIKE %(pattern)s AND c.relkind = ANY(%(kinds)s::text[])"

NAMED = f"{DETACHED} AND (n.nspname, c.relname) = (%(schema)s, %(name)s)"

PARTITIONED = """
SELECT c.oid, n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'p' AND NOT c.relispartition AND c.relname = %s
ORDER BY n.nspname, c.relname
"""

# What a new table of the name would collide with. The type of an array gives way to it.
NAME_IS_TAKEN = """
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relname = %(name)s
) OR EXISTS (
    SELECT FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname = %(schema)s AND t.typname = %(name)s
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = t.oid)
)
"""

# Asks functions, which see what is committed by now, also in a transaction with an old snapshot.
# It runs under locks, so it needs no other path: there is no operator.
ROOT_AND_NAMESAKE = """
SELECT pg_catalog.pg_partition_root(%(oid)s::pg_catalog.oid)::pg_catalog.oid,
       pg_catalog.to_regclass(%(name)s)::pg_catalog.oid
"""


def read_parents(
    connection: BaseDatabaseWrapper,
    db_tables: Sequence[str],
    *,
    zone: tzinfo,
    detached: Mapping[str, Sequence[int]] | None = None,
) -> dict[str, Parent]:
    """Return what is there for each of ``db_tables``, in one query.

    ``db_tables`` are names as ``Meta.db_table`` has them; a table that does not exist is left out
    of the answer. ``detached`` are OIDs to look up too, by the name of the table that they were
    partitions of; each parent's ``detached`` holds those of its own that still exist. ``zone``
    turns dates into moments.
    """
    names = [connection.ops.quote_name(each) for each in db_tables]
    wanted = detached or {}
    values = {"oids": [*chain.from_iterable(wanted.values())], "excluding": EXCLUSION_PATTERN}
    rows = fetch_all(connection, EVERYTHING, values, tables=names)
    alone = {row[10]: _detached(row[10:20]) for row in rows if row[0] is None}
    grouped: dict[str, list[Any]] = {}
    for row in rows:
        if row[0] is not None:
            grouped.setdefault(db_tables[row[0] - 1], []).append(row)
    return {
        table: _parent(group, _present(alone, wanted.get(table, ())), zone)
        for table, group in grouped.items()
    }


def read_parent(
    connection: BaseDatabaseWrapper, db_table: str, *, zone: tzinfo, detached: Sequence[int] = ()
) -> Parent | None:
    """Return what is there for one table, or None where it does not exist."""
    found = read_parents(connection, [db_table], zone=zone, detached={db_table: detached})
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
    """Return whether no table can have this name: a relation or a type of the schema has it."""
    return bool(fetch_one(connection, NAME_IS_TAKEN, {"schema": schema, "name": name})[0])


def read_named(connection: BaseDatabaseWrapper, schema: str, name: str) -> Partition | None:
    """Return the unattached table of this name, or None."""
    found = _read_detached(connection, NAMED, {"schema": schema, "name": name})
    return found[0] if found else None


def hangs_on_nothing(connection: BaseDatabaseWrapper, table: Relation) -> bool:
    """Return whether the table is nobody's partition and still has its name, as of right now."""
    root, namesake = _root_and_namesake(connection, table)
    return root in (None, table.oid) and namesake == table.oid


def has_its_name(connection: BaseDatabaseWrapper, table: Relation) -> bool:
    """Return whether the name still means this table, partition or not, as of right now."""
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
    return tuple(
        _detached((oid, schema, name, None, tablespace, None, None, *rest))
        for oid, schema, name, tablespace, *rest in fetch_all(connection, query, values)
    )


def _present(alone: Mapping[int, Partition], oids: Sequence[int]) -> tuple[Partition, ...]:
    return tuple(alone[oid] for oid in dict.fromkeys(oids) if oid in alone)


def _parent(rows: list[Any], detached: tuple[Partition, ...], zone: tzinfo) -> Parent:
    (
        _,
        oid,
        schema,
        name,
        tablespace,
        description,
        by_one_range,
        key,
        sql_type,
        owner,
        *_,
        has_foreign_keys,
        home,
        read_at,
    ) = rows[0]
    kind = _supported(sql_type) if by_one_range and key else None
    found = [_attached(row[10:20], kind, zone) for row in rows if row[10] is not None]
    return Parent(
        oid=oid,
        schema=schema,
        name=name,
        kind=kind,
        key=key if by_one_range else None,
        description=description,
        tablespace=tablespace,
        home=home,
        partitions=tuple(sorted(found, key=_position)),
        detached=detached,
        read_at=read_at,
        has_foreign_keys=has_foreign_keys,
        owner=owner,
    )


def _supported(sql_type: str) -> KeyKind | None:
    try:
        return key_kind(sql_type)
    except InvalidPolicy:
        return None


def _attached(row: Any, kind: KeyKind | None, zone: tzinfo) -> Partition:
    oid, schema, name, expression, tablespace, is_pending, promises, owner, comment, _ = row
    return Partition(
        oid=oid,
        schema=schema,
        name=name,
        bounds=read_bounds(expression, kind, zone),
        tablespace=tablespace,
        is_attached=True,
        is_pending=bool(is_pending),
        is_default=expression == "DEFAULT",
        promises=tuple(promises or ()),
        comment=parse_comment(comment),
        has_comment=comment is not None,
        owner=owner,
    )


def _detached(row: Any) -> Partition:
    oid, schema, name, _, tablespace, _, _, owner, comment, has_foreign_keys = row
    return Partition(
        oid=oid,
        schema=schema,
        name=name,
        bounds=None,
        tablespace=tablespace,
        is_attached=False,
        comment=parse_comment(comment),
        has_comment=comment is not None,
        owner=owner,
        has_foreign_keys=has_foreign_keys,
    )


def _position(partition: Partition) -> tuple[int, float]:
    if partition.bounds is None:
        return (2, 0.0)
    start = partition.bounds.start
    return (0, 0.0) if start is None else (1, start.timestamp())
