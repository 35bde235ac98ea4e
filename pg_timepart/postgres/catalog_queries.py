"""SQL of ``catalog``: tables, their partitions, and tables that were detached from them."""

from __future__ import annotations

from pg_timepart.postgres.check_constraints import excludes
from pg_timepart.postgres.search_path import FOUND_TABLES
from pg_timepart.postgres.table_comments import MAX_COMMENT

# The comment on a table; other than obj_description(), it is joined once for all.
COMMENT = """
LEFT JOIN pg_catalog.pg_description m
    ON m.objoid = c.oid AND m.classoid = 'pg_catalog.pg_class'::regclass AND m.objsubid = 0
"""

# One row a partition of each wanted table, or one row with no partition. What describes a parent is
# computed once for each, not again for every partition: hence MATERIALIZED.
# Nothing here waits for a locked table: bounds hold no column, so pg_get_expr()
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
           a.attname, pg_catalog.format_type(a.atttypid, NULL) AS key_type, k.partrelid,
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
       p.attname, p.key_type, p.owner,
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

# Tables by OID that are attached to no parent, with the comment that names their former parent.
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

# A detached table is a row without a parent, so that one query is enough for a whole pass.
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

# What a new table of the name would collide with. PostgreSQL renames array types that collide.
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

# Calls functions, which see what is committed by now, also in a transaction with an old snapshot.
# It has no operator, so it needs no safe search_path, which would take longer under locks.
ROOT_AND_NAMESAKE = """
SELECT pg_catalog.pg_partition_root(%(oid)s::pg_catalog.oid)::pg_catalog.oid,
       pg_catalog.to_regclass(%(name)s)::pg_catalog.oid
"""
