"""Privileges that the connection's role lacks, as the GRANT statements that would give them."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.partitions.tables import Relation
from pg_timepart.postgres.search_path import fetch_all

# A table's own database needs no right on the tablespace that is its default.
MISSING = """
SELECT pg_catalog.format('GRANT %%I TO %%I', owner.rolname, current_user)
FROM pg_catalog.pg_roles owner
JOIN pg_catalog.pg_class c ON c.relowner = owner.oid
WHERE c.oid = %(parent)s AND NOT pg_catalog.pg_has_role(owner.oid, 'USAGE')
UNION ALL
SELECT pg_catalog.format('GRANT CREATE ON SCHEMA %%I TO %%I', n.nspname, current_user)
FROM pg_catalog.pg_namespace n
WHERE n.nspname = %(schema)s AND NOT pg_catalog.has_schema_privilege(n.oid, 'CREATE')
UNION ALL
SELECT pg_catalog.format('GRANT CREATE ON TABLESPACE %%I TO %%I', t.spcname, current_user)
FROM pg_catalog.pg_tablespace t
WHERE t.spcname = %(tablespace)s AND NOT pg_catalog.has_tablespace_privilege(t.oid, 'CREATE')
AND t.oid <> (SELECT d.dattablespace FROM pg_catalog.pg_database d
              WHERE d.datname = pg_catalog.current_database())
UNION ALL
SELECT pg_catalog.format('GRANT %%s ON %%s TO %%I',
                         p.name, c.oid::pg_catalog.regclass, current_user)
FROM pg_catalog.pg_class c
CROSS JOIN (VALUES ('REFERENCES', 'REFERENCES'), ('UPDATE', 'UPDATE, DELETE, TRUNCATE'))
    AS p(name, any_of)
WHERE c.oid = ANY(%(referenced)s::oid[])
AND NOT pg_catalog.has_table_privilege(c.oid, p.any_of)
AND NOT pg_catalog.has_any_column_privilege(c.oid, p.name)
"""


def missing_rights(
    connection: BaseDatabaseWrapper,
    parent: Relation,
    tablespace: str | None,
    referenced: Sequence[Relation],
) -> list[str]:
    """Return the GRANTs that the role lacks for DDL on ``parent`` and partitions of its owner.

    No GRANT of another owner's role is proposed. ``tablespace`` is the tablespace to put something
    in, and ``referenced`` are the targets of foreign keys, which are locked too.
    """
    values = {
        "parent": parent.oid,
        "schema": parent.schema,
        "tablespace": tablespace,
        "referenced": [each.oid for each in referenced],
    }
    return [statement for (statement,) in fetch_all(connection, MISSING, values)]
