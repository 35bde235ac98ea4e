"""What is in the database: ``pg_catalog`` read into frozen values.

Every query is schema-qualified, runs by way of ``search_path`` and binds its values. Nothing here
takes a lock that conflicts with anything an application does, and nothing needs a transaction.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, tzinfo
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.errors import InvalidPolicy
from pg_timepart.keys import KeyKind, key_kind
from pg_timepart.marks import like_pattern, parse_mark
from pg_timepart.periods import Bounds, start_of_day
from pg_timepart.procedures import EXCLUSION_PATTERN
from pg_timepart.relations import Parent, Partition, Relation
from pg_timepart.search_path import FOUND_TABLES, fetch_all, fetch_one

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
           k.partdefid, EXISTS (
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
       p.attname, p.sql_type,
       c.oid, cn.nspname, c.relname, pg_catalog.pg_get_expr(c.relpartbound, 0),
       COALESCE(cs.spcname, home.spcname), i.inhdetachpending,
       CASE WHEN c.oid = p.partdefid THEN (
           SELECT array_agg(x.conname::text ORDER BY x.conname) FROM pg_catalog.pg_constraint x
           WHERE x.conrelid = c.oid AND x.contype = 'c' AND x.conname LIKE %(excluding)s) END,
       p.has_foreign_keys, home.spcname, pg_catalog.clock_timestamp()
FROM parents p CROSS JOIN home
LEFT JOIN pg_catalog.pg_inherits i ON i.inhparent = p.partrelid
LEFT JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_tablespace cs ON cs.oid = c.reltablespace
"""  # noqa: S608  # made of a constant

# Tables by OID that hang on no parent, with the comment that says whose they were.
DETACHED = """
SELECT c.oid, n.nspname, c.relname, COALESCE(s.spcname, home.spcname),
       pg_catalog.obj_description(c.oid, 'pg_class'), EXISTS (
           SELECT FROM pg_catalog.pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f')
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = c.reltablespace
CROSS JOIN (SELECT t.spcname FROM pg_catalog.pg_database d
            JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace
            WHERE d.datname = pg_catalog.current_database()) home
WHERE NOT c.relispartition AND c.relkind IN ('r', 'f', 'p')
"""

# A detached table rides along as a row without a parent, so that one query serves a whole pass.
EVERYTHING = f"""
{PARTITIONS}
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, d.description, NULL, NULL, NULL,
       d.oid, d.nspname, d.relname, NULL, d.spcname, NULL, NULL, d.has_foreign_keys, NULL, NULL
FROM ({DETACHED} AND c.oid = ANY(%(oids)s::oid[]))
    AS d(oid, nspname, relname, spcname, description, has_foreign_keys)
"""  # noqa: S608  # made of the constants above

MARKED = f"{DETACHED} AND pg_catalog.obj_description(c.oid, 'pg_class') LIKE %(pattern)s"

NAMED = f"{DETACHED} AND (n.nspname, c.relname) = (%(schema)s, %(name)s)"

# Asks functions, which see what is committed by now, also in a transaction with an old snapshot.
# It runs under locks, so it needs no other path: there is no operator.
ROOT_AND_NAMESAKE = """
SELECT pg_catalog.pg_partition_root(%(oid)s::pg_catalog.oid)::pg_catalog.oid,
       pg_catalog.to_regclass(%(name)s)::pg_catalog.oid
"""

# Stand for a bound that is beyond what datetime holds, such as 'infinity' or a year before Christ,
# where None would say that there is no bound. They leave room for every zone's offset.
FIRST_DAY, LAST_DAY = date(1, 1, 3), date(9999, 12, 29)

_BOUNDS = re.compile(r"FOR VALUES FROM \((?P<start>.+)\) TO \((?P<end>.+)\)\Z", re.DOTALL)


def read_parents(
    connection: BaseDatabaseWrapper,
    db_tables: Sequence[str],
    *,
    zone: tzinfo,
    detached: Sequence[int] = (),
) -> dict[str, Parent]:
    """Return what is there for each of ``db_tables``, in one query.

    ``db_tables`` are names as ``Meta.db_table`` has them; a table that does not exist is left out
    of the answer. ``detached`` are OIDs to look up too; each parent's ``detached`` holds all of
    them that still exist. ``zone`` turns dates into moments.
    """
    names = [connection.ops.quote_name(each) for each in db_tables]
    values = {"oids": list(detached), "excluding": EXCLUSION_PATTERN}
    rows = fetch_all(connection, EVERYTHING, values, tables=names)
    alone = tuple(_detached(row) for row in rows if row[0] is None)
    grouped: dict[int, list[Any]] = {}
    for row in rows:
        if row[0] is not None:
            grouped.setdefault(row[0] - 1, []).append(row)
    return {db_tables[number]: _parent(group, alone, zone) for number, group in grouped.items()}


def read_parent(
    connection: BaseDatabaseWrapper, db_table: str, *, zone: tzinfo, detached: Sequence[int] = ()
) -> Parent | None:
    """Return what is there for one table, or None where it does not exist."""
    return read_parents(connection, [db_table], zone=zone, detached=detached).get(db_table)


def read_marked(connection: BaseDatabaseWrapper, label: str) -> tuple[Partition, ...]:
    """Return the unattached tables whose comment says that they are ``label``'s partitions."""
    return _read_detached(connection, MARKED, {"pattern": like_pattern(label)})


def read_named(connection: BaseDatabaseWrapper, schema: str, name: str) -> Partition | None:
    """Return the unattached table of this name, or None."""
    found = _read_detached(connection, NAMED, {"schema": schema, "name": name})
    return found[0] if found else None


def hangs_on_nothing(connection: BaseDatabaseWrapper, table: Relation) -> bool:
    """Return whether the table is nobody's partition and still has its name, as of right now."""
    quoted = (each.replace('"', '""') for each in (table.schema, table.name))
    with connection.cursor() as cursor:
        cursor.execute(ROOT_AND_NAMESAKE, {"oid": table.oid, "name": '"{}"."{}"'.format(*quoted)})
        root, namesake = cursor.fetchone()
    return root in (None, table.oid) and namesake == table.oid


def has_comment(connection: BaseDatabaseWrapper, oid: int) -> bool:
    """Return whether anything, ours or not, is said about a table."""
    query = "SELECT pg_catalog.obj_description(%s, 'pg_class') IS NOT NULL"
    return bool(fetch_one(connection, query, [oid])[0])


def tablespaces(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the names of the tablespaces that tables may live in."""
    query = "SELECT spcname FROM pg_catalog.pg_tablespace WHERE spcname <> 'pg_global' ORDER BY 1"
    return [name for (name,) in fetch_all(connection, query)]


def _read_detached(
    connection: BaseDatabaseWrapper, query: str, values: dict[str, Any]
) -> tuple[Partition, ...]:
    return tuple(
        _detached(
            (None,) * 5
            + (comment,)
            + (None,) * 3
            + (oid, schema, name, None, tablespace, None, None, has_foreign_keys)
        )
        for oid, schema, name, tablespace, comment, has_foreign_keys in fetch_all(
            connection, query, values
        )
    )


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
        *_,
        has_foreign_keys,
        home,
        read_at,
    ) = rows[0]
    kind = _supported(sql_type) if by_one_range and key else None
    found = [_attached(row, kind, zone) for row in rows if row[9] is not None]
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
    )


def _supported(sql_type: str) -> KeyKind | None:
    try:
        return key_kind(sql_type)
    except InvalidPolicy:
        return None


def _attached(row: Any, kind: KeyKind | None, zone: tzinfo) -> Partition:
    oid, schema, name, expression, tablespace, is_pending, promises = row[9:16]
    return Partition(
        oid=oid,
        schema=schema,
        name=name,
        bounds=_bounds(expression, kind, zone),
        tablespace=tablespace,
        is_attached=True,
        is_pending=bool(is_pending),
        is_default=expression == "DEFAULT",
        promises=tuple(promises or ()),
    )


def _detached(row: Any) -> Partition:
    oid, schema, name, _, tablespace = row[9:14]
    return Partition(
        oid=oid,
        schema=schema,
        name=name,
        bounds=None,
        tablespace=tablespace,
        is_attached=False,
        mark=parse_mark(row[5]),
        has_foreign_keys=row[16],
    )


def _bounds(expression: str | None, kind: KeyKind | None, zone: tzinfo) -> Bounds | None:
    match = _BOUNDS.match(expression or "")
    if match is None or kind is None:
        return None
    return Bounds(start=_start(match["start"], kind, zone), end=_end(match["end"], kind, zone))


def _start(text: str, kind: KeyKind, zone: tzinfo) -> datetime | None:
    """Return the first moment inside; None only where all that is earlier is inside too."""
    moment = _moment(text, kind, zone)
    if moment is not None or text == "MINVALUE" or _is_before_calendar(text):
        return moment
    return start_of_day(LAST_DAY, zone)


def _end(text: str, kind: KeyKind, zone: tzinfo) -> datetime | None:
    """Return the first moment after; None only where all that is later is inside."""
    moment = _moment(text, kind, zone)
    if moment is not None or text == "MAXVALUE" or not _is_before_calendar(text):
        return moment
    return start_of_day(FIRST_DAY, zone)


def _moment(text: str, kind: KeyKind, zone: tzinfo) -> datetime | None:
    return None if text in {"MINVALUE", "MAXVALUE"} else kind.moment(text.strip("'"), zone)


def _is_before_calendar(text: str) -> bool:
    """Whether a bound that datetime cannot hold is too early for it, rather than too late."""
    bound = text.strip("'")
    return bound == "-infinity" or bound.endswith(" BC") or bound.startswith("0001-")


def _position(partition: Partition) -> tuple[int, float]:
    if partition.bounds is None:
        return (2, 0.0)
    start = partition.bounds.start
    return (0, 0.0) if start is None else (1, start.timestamp())
