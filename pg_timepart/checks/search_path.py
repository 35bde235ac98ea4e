"""W017: what others may create in a schema on search_path is run with the connection's rights.

Our own statements do not find it; Django's, and whatever else the role runs, do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage
from django.core.checks import Warning as Notice
from django.db import connections, router

from pg_timepart import conf
from pg_timepart.declaring import registry
from pg_timepart.search_path import fetch_all

NAME = re.compile(r'"(?:[^"]|"")*"|[^,\s]+')

# A schema that is not there yet is made by who may create one in the database. Superusers, and who
# owns what it is about, may do anything there anyway, as may the role itself.
CREATORS = """
WITH wanted AS (
    SELECT u.number, CASE u.name WHEN '$user' THEN current_user ELSE u.name END AS name
    FROM unnest(%(names)s::text[]) WITH ORDINALITY AS u(name, number)
), asked AS (
    SELECT w.number, w.name, n.oid IS NOT NULL AS is_there, x.*
    FROM wanted w
    CROSS JOIN pg_catalog.pg_database d
    LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = w.name
    CROSS JOIN LATERAL aclexplode(CASE WHEN n.oid IS NULL
        THEN COALESCE(d.datacl, acldefault('d', d.datdba))
        ELSE COALESCE(n.nspacl, acldefault('n', n.nspowner)) END) x
    WHERE d.datname = current_database() AND w.name NOT LIKE 'pg\\_%%'
    AND x.grantee <> COALESCE(n.nspowner, d.datdba)
)
SELECT a.name, a.is_there, array_agg(DISTINCT COALESCE(r.rolname, 'PUBLIC')::text)
FROM asked a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
WHERE a.privilege_type = 'CREATE' AND COALESCE(NOT r.rolsuper, true)
AND COALESCE(r.rolname NOT IN (current_user, session_user), true)
GROUP BY a.name, a.is_there ORDER BY min(a.number)
"""


def check_search_paths(
    app_configs: Sequence[AppConfig] | None = None,  # noqa: ARG001
    databases: Sequence[str] | None = None,
    **_: Any,
) -> list[CheckMessage]:
    """Return a warning for each such schema on the path of a database of decorated models."""
    if conf.problems():
        return []
    written = {router.db_for_write(model) for model in registry()}
    used = written | {conf.maintenance_alias(alias) for alias in written}
    return [
        message
        for alias in databases or ()
        if alias in used and connections[alias].vendor == "postgresql"
        for message in _check(alias)
    ]


def _check(alias: str) -> Iterator[CheckMessage]:
    connection = connections[alias]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.current_setting('search_path')")
        names = [_unquoted(each) for each in NAME.findall(cursor.fetchone()[0])]
    for schema, is_there, creators in fetch_all(connection, CREATORS, {"names": names}):
        who = " and ".join("everybody" if each == "PUBLIC" else repr(each) for each in creators)
        may = (
            f"in the schema {schema!r}" if is_there else f"the schema {schema!r}, which is missing"
        )
        on = f"SCHEMA {schema}" if is_there else "the DATABASE"
        yield Notice(
            f"In the database {alias!r}, {who} may create {may}. It is on search_path, so functions"
            " and operators put there can be run by Django's queries, with the rights of this"
            " connection's role.",
            hint=f"REVOKE CREATE ON {on} from them, or take the schema out of search_path.",
            id="pg_timepart.W017",
        )


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()
