"""Find out whether pg_partman or django-postgres-extra manages a table too.

Two managers of one table fail on each other's partitions: overlapping bounds are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.partitions.tables import Relation
from pg_timepart.postgres.search_path import fetch_all

PSQLEXTRA_COMMENT = "psqlextra_auto_partitioned"
"""The comment of django-postgres-extra on its partitions, which it needs to retire them."""

# The table of pg_partman is the extension's own member, in whatever schema: another of that name
# may be made by any role.
TRACES = """
SELECT w.oid, (
    SELECT count(*) FROM pg_catalog.pg_inherits i
    JOIN pg_catalog.pg_description d ON d.objoid = i.inhrelid AND d.objsubid = 0
        AND d.classoid = 'pg_catalog.pg_class'::regclass
    WHERE i.inhparent = w.oid AND d.description = %(comment)s
), x.schema, x.may_read, quote_ident(current_user)
FROM unnest(%(oids)s::oid[]) AS w(oid)
LEFT JOIN (
    SELECT quote_ident(n.nspname),
           has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
    FROM pg_catalog.pg_extension e
    JOIN pg_catalog.pg_depend p ON p.refobjid = e.oid AND p.deptype = 'e'
        AND p.refclassid = 'pg_catalog.pg_extension'::regclass
        AND p.classid = 'pg_catalog.pg_class'::regclass
    JOIN pg_catalog.pg_class c ON c.oid = p.objid AND c.relkind = 'r'
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE e.extname = 'pg_partman' AND c.relname = 'part_config'
) AS x(schema, may_read) ON true
"""

PART_CONFIG = """
SELECT parent_table::text, automatic_maintenance::text FROM {schema}.part_config
WHERE parent_table::text = ANY(%(tables)s::text[])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherManager:
    """Another tool that manages a table too, or may."""

    is_at_work: bool
    """Whether it creates partitions by itself, so that we must not."""

    sentence: str
    """The tool and what to switch off, for a person."""


def read_other_managers(
    connection: BaseDatabaseWrapper, tables: Iterable[Relation]
) -> dict[int, tuple[OtherManager, ...]]:
    """Return other managers of these tables, by OID: in one query, or two beside pg_partman."""
    known = {each.oid: each for each in tables}
    if not known:
        return {}
    values = {"comment": PSQLEXTRA_COMMENT, "oids": list(known)}
    rows = fetch_all(connection, TRACES, values)
    configured = _part_config(connection, rows, known.values())
    return {row[0]: tuple(_managers(known[row[0]], row, configured)) for row in rows}


def _part_config(
    connection: BaseDatabaseWrapper, rows: list[Any], tables: Iterable[Relation]
) -> Mapping[str, str]:
    """Return the tables that pg_partman has, and whether it maintains them by itself."""
    _, _, schema, may_read, _ = rows[0]
    if not may_read:
        return {}
    query = PART_CONFIG.format(schema=schema.replace("%", "%%"))
    return dict(fetch_all(connection, query, {"tables": [_named(each) for each in tables]}))


def _managers(table: Relation, row: Any, configured: Mapping[str, str]) -> Iterator[OtherManager]:
    _, marked, schema, may_read, role = row
    if marked:
        yield OtherManager(is_at_work=True, sentence=_psqlextra(table, marked))
    if schema and not may_read:
        yield OtherManager(is_at_work=False, sentence=_unreadable(table, schema, role))
    automatic = configured.get(_named(table))
    if automatic is not None:
        is_at_work = automatic == "on"
        yield OtherManager(
            is_at_work=is_at_work, sentence=_partman(table, schema, is_at_work=is_at_work)
        )


def _partman(table: Relation, schema: str, *, is_at_work: bool) -> str:
    name = _named(table)
    literal = name.replace("'", "''")
    end = f"DELETE FROM {schema}.part_config WHERE parent_table = '{literal}';"  # noqa: S608  # shown
    if is_at_work:
        return f"pg_partman manages {name} too. Where it shall not any more: {end}"
    return (
        f"pg_partman has {name} too, with its automatic maintenance off: run by hand, it fails on"
        f" partitions that are made here. Where it shall not any more: {end}"
    )


def _unreadable(table: Relation, schema: str, role: str) -> str:
    return (
        f"Whether pg_partman manages {_named(table)} too cannot be seen: GRANT USAGE ON SCHEMA"
        f" {schema} TO {role}; GRANT SELECT ON {schema}.part_config TO {role};"
    )


def _psqlextra(table: Relation, marked: int) -> str:
    return (
        f"django-postgres-extra manages {_named(table)} too: {marked} of its partitions have the"
        f" comment {PSQLEXTRA_COMMENT}. Where it shall not any more, take the model out of its"
        " PostgresPartitioningManager, then COMMENT ON TABLE ... IS NULL for each of these."
    )


def _named(table: Relation) -> str:
    """Return the name as pg_partman keeps it: with the schema, and without quotes."""
    return f"{table.schema}.{table.name}"
