"""W018: the maintaining role has rights that the owners of the tables have not.

ATTACH, VALIDATE and TRUNCATE run functions of CHECK constraints and of index predicates, and
triggers, with the rights of the role that maintains.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage
from django.core.checks import Warning as Notice
from django.db import connections
from django.db.utils import NotSupportedError

from pg_timepart import conf
from pg_timepart.checks.databases import models_by_database
from pg_timepart.postgres.catalog import read_parents
from pg_timepart.postgres.search_path import fetch_all

# By session_user, not current_user: a function may RESET ROLE. Predefined roles that only give
# access to statistics and settings are left out.
MORE_THAN_THE_OWNER = """
SELECT o.rolname, s.rolname, CASE WHEN s.rolsuper THEN ARRAY['is a superuser'] ELSE (
    SELECT array_agg(more.words ORDER BY more.words) FROM (
        SELECT 'has CREATEROLE' WHERE s.rolcreaterole AND NOT o.rolcreaterole
        UNION ALL SELECT 'has BYPASSRLS' WHERE s.rolbypassrls AND NOT o.rolbypassrls
        UNION ALL SELECT 'has REPLICATION' WHERE s.rolreplication AND NOT o.rolreplication
        UNION ALL SELECT 'is a member of ' || quote_ident(r.rolname)
        FROM pg_catalog.pg_roles r
        WHERE r.oid NOT IN (o.oid, s.oid) AND r.rolname NOT IN (
            'pg_monitor', 'pg_read_all_settings', 'pg_read_all_stats', 'pg_stat_scan_tables')
        AND pg_has_role(s.oid, r.oid, 'MEMBER') AND NOT pg_has_role(o.oid, r.oid, 'MEMBER')
    ) AS more(words)) END
FROM pg_catalog.pg_roles o JOIN pg_catalog.pg_roles s ON s.rolname = session_user
WHERE (s.rolsuper OR NOT o.rolsuper) AND o.oid IN (
    SELECT c.relowner FROM pg_catalog.pg_class c WHERE c.oid = ANY(%s::oid[]))
ORDER BY o.rolname
"""


def check_roles(
    app_configs: Sequence[AppConfig] | None = None,
    databases: Sequence[str] | None = None,
    **_: Any,
) -> list[CheckMessage]:
    """Return a warning where the maintaining role has rights that a table's owner has not."""
    messages: list[CheckMessage] = []
    if conf.problems():
        return messages
    for alias, found in models_by_database(app_configs, databases):
        messages += _check_role(alias, [model._meta.db_table for model in found])
    return messages


def _check_role(alias: str, tables: list[str]) -> Iterator[CheckMessage]:
    connection: Any = connections[conf.maintenance_alias(alias)]
    try:
        connection.ensure_connection()
    except NotSupportedError:  # check_databases() reports it
        return
    # Only the bounds depend on the zone, and they are not used here.
    oids = [each.oid for each in read_parents(connection, tables, zone=UTC).values()]
    for owner, role, more in fetch_all(connection, MORE_THAN_THE_OWNER, [oids]):
        if more:
            yield _more_rights(alias, owner, role, more)


def _more_rights(alias: str, owner: str, role: str, more: list[str]) -> CheckMessage:
    return Notice(
        f"Maintenance of tables of the role {owner!r} in the database {alias!r} logs in as"
        f" {role!r}, which {', '.join(more)}: functions in CHECK constraints and index predicates,"
        " and triggers, of these tables run with its rights.",
        hint=(
            "Let the owner log in for it; or a role that is a member of the owner and of nothing"
            " more, which OPTIONS['assume_role'] or SET ROLE makes the owner. See docs/security.md."
        ),
        id="pg_timepart.W018",
    )
