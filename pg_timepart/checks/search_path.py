"""W017: other roles may create objects in a schema on search_path.

A function of theirs with the name of a built-in one may then run with the connection's rights. Our
own statements set a safe search_path; Django's, and others of the role, do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage
from django.core.checks import Warning as Notice
from django.db import connections, router
from django.db.models import Model

from pg_timepart import conf
from pg_timepart.postgres.search_path import FOUND_TABLES, fetch_all
from pg_timepart.schema.registry import registry

NAME = re.compile(r'"(?:[^"]|"")*"|[^,\s]+')

# A missing schema can be made by who may create schemas in the database. Superusers may do
# anything anyway, and so may the role itself and who owns the database; who owns a table of ours is
# trusted with this role's rights in other ways too. The owner of a schema may create in it.
CREATORS = f"""
WITH wanted AS (
    SELECT u.number, CASE u.name WHEN '$user' THEN current_user ELSE u.name END AS name
    FROM unnest(%(names)s::text[]) WITH ORDINALITY AS u(name, number)
), asked AS (
    SELECT w.number, w.name, n.oid IS NOT NULL AS is_there, x.grantee, d.datdba
    FROM wanted w
    CROSS JOIN pg_catalog.pg_database d
    LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = w.name
    CROSS JOIN LATERAL (
        SELECT grantee FROM aclexplode(CASE WHEN n.oid IS NULL
            THEN COALESCE(d.datacl, acldefault('d', d.datdba))
            ELSE COALESCE(n.nspacl, acldefault('n', n.nspowner)) END)
        WHERE privilege_type = 'CREATE'
        UNION SELECT n.nspowner WHERE n.oid IS NOT NULL) x
    WHERE d.datname = current_database() AND w.name NOT LIKE 'pg\\_%%'
)
SELECT a.name, a.is_there, array_agg(DISTINCT COALESCE(r.rolname, 'PUBLIC')::text)
FROM asked a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
WHERE a.grantee <> a.datdba AND COALESCE(NOT r.rolsuper, true)
AND COALESCE(r.rolname NOT IN (current_user, session_user, 'pg_database_owner'), true)
AND a.grantee NOT IN (
    SELECT c.relowner FROM pg_catalog.pg_class c WHERE c.oid = ANY({FOUND_TABLES}))
GROUP BY a.name, a.is_there ORDER BY min(a.number)
"""  # noqa: S608  # made of a constant


def check_search_paths(
    app_configs: Sequence[AppConfig] | None = None,  # noqa: ARG001
    databases: Sequence[str] | None = None,
    **_: Any,
) -> list[CheckMessage]:
    """Return a warning for each such schema on the path of a database of decorated models."""
    if conf.problems():
        return []
    used = {alias for model in registry() for alias in _aliases(model)}
    return [
        message
        for alias in databases or ()
        if alias in used and connections[alias].vendor == "postgresql"
        for message in _check(alias)
    ]


def _aliases(model: type[Model]) -> set[str]:
    """Return the aliases that write to the model's table and that maintain it."""
    alias = router.db_for_write(model)
    return {alias, conf.maintenance_alias(alias)}


def _check(alias: str) -> Iterator[CheckMessage]:
    connection = connections[alias]
    quote = connection.ops.quote_name
    tables = [quote(each._meta.db_table) for each in registry() if alias in _aliases(each)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.current_setting('search_path')")
        names = [_unquoted(each) for each in NAME.findall(cursor.fetchone()[0])]
    found = fetch_all(connection, CREATORS, {"names": names}, tables=tables)
    for schema, is_there, creators in found:
        who = " and ".join("everybody" if each == "PUBLIC" else repr(each) for each in creators)
        may = (
            f"in the schema {schema!r}" if is_there else f"the schema {schema!r}, which is missing"
        )
        on = f"SCHEMA {quote(schema)}" if is_there else "the DATABASE"
        give = "give the schema to" if is_there else "make the schema as"
        yield Notice(
            f"In the database {alias!r}, {who} may create {may}. It is on search_path, so functions"
            " and operators put there can be run by Django's queries, with the rights of this"
            " connection's role.",
            hint=f"REVOKE CREATE ON {on} from them, {give} the owner of the tables, or take it out"
            " of search_path.",
            id="pg_timepart.W017",
        )


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()
