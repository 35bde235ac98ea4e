"""Plans of statements, as EXPLAIN prints them in JSON: the partitions that each holds, by table.

A plan holds what is left once partitions were pruned: by constants, when the statement was planned,
and by parameters and functions such as ``now()``, when its execution was about to begin, which
EXPLAIN does too ("Subplans Removed"). What a join or a subquery prunes while it runs does not show:
the plan holds all of those partitions.
https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITION-PRUNING
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.postgres.search_path import fetch_all

CONDITIONS = ("Index Cond", "Recheck Cond", "Filter", "TID Cond")

RETURNED = re.compile(r"\(returns ([^)]*)\)")
INIT_PLAN = re.compile(r"\(InitPlan \d+\)")
"""What a subquery that ran before gives: PostgreSQL 17 names it so, and earlier ones by ``$0``."""

# Reads pg_inherits itself: pg_partition_tree() would lock every partition.
PARTITIONS = """
WITH RECURSIVE scanned AS (
    SELECT w.schema, w.name, pg_catalog.pg_partition_root(c.oid)::oid AS root
    FROM unnest(%(schemas)s::text[], %(names)s::text[]) AS w(schema, name)
    JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
    WHERE c.relispartition
), tree AS (
    SELECT DISTINCT s.root, s.root AS oid FROM scanned s
    UNION ALL
    SELECT t.root, i.inhrelid FROM tree t
    JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid WHERE NOT i.inhdetachpending
), sizes AS (
    SELECT t.root, count(*) FILTER (WHERE c.relkind <> 'p') AS leaves
    FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.oid GROUP BY t.root
)
SELECT s.schema, s.name, s.root, n.nspname, c.relname, z.leaves
FROM scanned s
JOIN pg_catalog.pg_class c ON c.oid = s.root
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN sizes z ON z.root = s.root
ORDER BY n.nspname, c.relname, s.schema, s.name
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A node of a plan that reads one table."""

    schema: str
    name: str
    alias: str
    conditions: tuple[str, ...]
    """Its conditions, as the server prints them with VERBOSE: columns are named with the alias."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementPlan:
    """What is asked of a plan."""

    scans: tuple[Scan, ...]
    aliases: frozenset[str]
    """Of all that it reads, also CTEs and functions."""

    returned: frozenset[str]
    """The parameters, such as ``$0``, that subqueries return which run before the scans."""

    has_limit: bool

    def is_decided_late(self, scan: Scan, condition: str) -> bool:
        """Return whether the condition compares with what another scan or a subquery gives."""
        if INIT_PLAN.search(condition) or any(
            re.search(rf"{re.escape(each)}(?!\d)", condition) for each in self.returned
        ):
            return True
        return any(names_alias(condition, each) for each in self.aliases - {scan.alias})


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """The partitions of one partitioned table that a plan holds."""

    oid: int
    """Of the partitioned table that stands above all."""

    schema: str
    table: str
    total: int
    """How many partitions are attached to it, at whatever depth."""

    scans: tuple[Scan, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the partitions, each once."""
        return tuple(sorted({each.name for each in self.scans}))


def read_plan(document: Any) -> StatementPlan:
    """Return what EXPLAIN (FORMAT JSON, VERBOSE) says; ``document`` is text, or parsed already."""
    nodes = list(_nodes(json.loads(document) if isinstance(document, str) else document))
    scans = [each for each in nodes if "Relation Name" in each and _reads(each)]
    returned = [RETURNED.search(each.get("Subplan Name", "")) for each in nodes]
    return StatementPlan(
        scans=tuple(map(_scan, scans)),
        aliases=frozenset(each["Alias"] for each in nodes if "Alias" in each),
        returned=frozenset(
            name.strip() for each in returned if each for name in each.group(1).split(",")
        ),
        has_limit=any(each["Node Type"] == "Limit" for each in nodes),
    )


def partitions_touched(connection: BaseDatabaseWrapper, scans: Sequence[Scan]) -> list[Touched]:
    """Return the partitions among what is scanned, by partitioned table, in one query."""
    by_name: dict[tuple[str, str], list[Scan]] = {}
    for each in scans:
        by_name.setdefault((each.schema, each.name), []).append(each)
    values = {"schemas": [key[0] for key in by_name], "names": [key[1] for key in by_name]}
    found: dict[int, Touched] = {}
    for schema, name, root, root_schema, table, total in fetch_all(connection, PARTITIONS, values):
        known = found[root].scans if root in found else ()
        found[root] = Touched(
            oid=root,
            schema=root_schema,
            table=table,
            total=total,
            scans=(*known, *by_name[schema, name]),
        )
    return list(found.values())


def names_column(condition: str, alias: str, column: str) -> bool:
    """Return whether a condition, as printed with VERBOSE, names this column of the alias."""
    pattern = rf"{_either(alias)}\.{_either(column)}(?![\w$\"])"
    return re.search(rf"(?<![\w$\".]){pattern}", condition) is not None


def names_alias(condition: str, alias: str) -> bool:
    """Return whether a condition, as printed with VERBOSE, names a column of the alias."""
    return re.search(rf"(?<![\w$\".]){_either(alias)}\.[\w\"]", condition) is not None


def _either(name: str) -> str:
    """Return a pattern for the name, quoted or not."""
    quoted = name.replace('"', '""')
    return rf"(?:{re.escape(name)}|\"{re.escape(quoted)}\")"


def _nodes(document: Any) -> Iterator[dict[str, Any]]:
    """Yield every node of the plan; the tables of a ModifyTable are listed in it, and are none."""
    children: Iterable[Any] = document if isinstance(document, list) else ()
    if isinstance(document, dict):
        if "Node Type" in document:
            yield document
        children = document.values()
    for each in children:
        yield from _nodes(each)


def _reads(node: dict[str, Any]) -> bool:
    """Return whether the node of a table reads it; a row to be written finds its own partition."""
    return bool(node["Node Type"] != "ModifyTable")


def _scan(node: dict[str, Any]) -> Scan:
    return Scan(
        schema=node.get("Schema", ""),
        name=node["Relation Name"],
        alias=node.get("Alias", node["Relation Name"]),
        conditions=tuple(node[each] for each in CONDITIONS if each in node),
    )
