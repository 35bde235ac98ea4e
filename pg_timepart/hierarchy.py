"""Which tables hang on which, for OIDs that our rows have: read from ``pg_inherits``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.relations import Relation
from pg_timepart.search_path import fetch_all

LINKS = """
SELECT c.oid, cn.nspname, c.relname, p.oid, pn.nspname, p.relname
FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace
JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
WHERE i.inhrelid = ANY(%s::oid[]) AND c.relispartition
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One partition and the table that it hangs on."""

    partition: Relation
    parent: Relation


def read_links(connection: BaseDatabaseWrapper, oids: Iterable[int]) -> list[Link]:
    """Return what those of these OIDs hang on that are partitions, in one query."""
    return [
        Link(
            partition=Relation(oid=oid, schema=schema, name=name),
            parent=Relation(oid=above, schema=schema_above, name=name_above),
        )
        for oid, schema, name, above, schema_above, name_above in fetch_all(
            connection, LINKS, [list(oids)]
        )
    ]
