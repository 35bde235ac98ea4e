"""Links of partitions to parents in ``pg_inherits``, and parents that no model declares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.partitions.tables import PartitionComment, Relation
from pg_timepart.postgres.search_path import FOUND_SCHEMAS, FOUND_TABLES, fetch_all
from pg_timepart.postgres.table_comments import parse_comment

LINKS = """
SELECT c.oid, cn.nspname, c.relname, p.oid, pn.nspname, p.relname
FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace
JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
WHERE i.inhrelid = ANY(%s::oid[]) AND c.relispartition
"""

# A comment of ours on one partition is enough: it says for which model they were made.
STRAYS = f"""
WITH known AS (
    SELECT c.oid, c.relowner FROM unnest({FOUND_TABLES}) AS w(oid)
    JOIN pg_catalog.pg_class c ON c.oid = w.oid
)
SELECT p.oid, n.nspname, p.relname, marked.description
FROM pg_catalog.pg_class p
JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
LEFT JOIN LATERAL (
    SELECT d.description FROM pg_catalog.pg_inherits i
    JOIN pg_catalog.pg_description d ON d.objoid = i.inhrelid
        AND d.classoid = 'pg_catalog.pg_class'::regclass AND d.objsubid = 0
    WHERE i.inhparent = p.oid AND starts_with(d.description, 'pg_timepart {{')
    ORDER BY i.inhrelid DESC LIMIT 1
) AS marked ON true
WHERE p.relkind = 'p' AND NOT p.relispartition AND n.nspname = ANY({FOUND_SCHEMAS})
AND (marked.description IS NOT NULL
     OR p.relname = ANY(%(bare)s::text[])
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = p.oid))
AND NOT EXISTS (SELECT FROM known WHERE known.oid = p.oid)
AND (pg_catalog.pg_has_role(p.relowner, 'MEMBER')
     OR EXISTS (SELECT FROM known WHERE known.relowner = p.relowner))
ORDER BY n.nspname, p.relname
"""  # noqa: S608  # made of a constant


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One partition and its parent."""

    partition: Relation
    parent: Relation


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A partitioned table with partitions of ours whose model is not in the code."""

    table: Relation
    comment: PartitionComment | None
    """What the comment on its newest partition says; None where it has no partition."""


def read_links(connection: BaseDatabaseWrapper, recorded: Iterable[Relation]) -> list[Link]:
    """Return the links of these recorded partitions to their parents, in one query at most.

    The OID alone may belong to another table by now, so schema and name are compared too.
    """
    wanted = set(recorded)
    found = fetch_all(connection, LINKS, [[each.oid for each in wanted]]) if wanted else []
    links = [
        Link(
            partition=Relation(oid=oid, schema=schema, name=name),
            parent=Relation(oid=above, schema=schema_above, name=name_above),
        )
        for oid, schema, name, above, schema_above, name_above in found
    ]
    return [each for each in links if each.partition in wanted]


def read_strays(
    connection: BaseDatabaseWrapper, known: Sequence[str], bare: Sequence[str] = ()
) -> list[Stray]:
    """Return the partitioned tables with partitions of ours that no model declares.

    Those on ``search_path`` whose newest partition has our comment, or that have no partition and
    one of the names ``bare``; without ``known``, which are names in the form of ``Meta.db_table``.
    The owner must be a role of which the current one is a member, or the owner of a known table:
    any other role could have made such a table.
    """
    tables = [connection.ops.quote_name(each) for each in known]
    rows = fetch_all(connection, STRAYS, {"bare": list(bare)}, tables=tables)
    return [
        Stray(table=Relation(oid=oid, schema=schema, name=name), comment=parse_comment(comment))
        for oid, schema, name, comment in rows
        if comment is None or parse_comment(comment) is not None
    ]
