"""Other locations of partitions: a second schema and a second tablespace, and the clean-up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, models

from tests.support.table_state import RELEASE
from tests.support.tablespaces import tablespaces_named

ASIDE = "plant_aside"
"""A schema to move partitions to."""

CLEAR = """
DO $$ DECLARE each record; BEGIN
FOR each IN SELECT format('%I.%I', n.nspname, c.relname) AS name,
            CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p', 'v', 'S') AND starts_with(c.relname, '{table}_')
            AND NOT (c.relkind = 'S' AND EXISTS (
                SELECT FROM pg_depend WHERE objid = c.oid AND deptype IN ('i', 'a')))
LOOP EXECUTE format('DROP %s IF EXISTS %s CASCADE', each.kind, each.name); END LOOP;
FOR each IN SELECT oid::regtype::text AS name FROM pg_type
            WHERE typtype = 'e' AND starts_with(typname, '{table}_')
LOOP EXECUTE format('DROP TYPE %s', each.name); END LOOP;
END $$
"""


def clear(model: type[models.Model]) -> None:
    """Drop everything that is named like a partition of the model, whatever it is."""
    with connection.cursor() as cursor:
        cursor.execute(RELEASE.format(table=model._meta.db_table))
        cursor.execute("SET client_min_messages = error")
        cursor.execute(CLEAR.replace("{table}", model._meta.db_table))
        cursor.execute("RESET client_min_messages")


def elsewhere() -> str:
    """Return the name of the second tablespace."""
    return f"drift_of_{connection.settings_dict['NAME']}"


@contextmanager
def other_locations_made() -> Iterator[None]:
    """Make the schema and the tablespace, and drop them at the end, when they must be empty."""
    with tablespaces_named(elsewhere()), connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {ASIDE}")
        yield
        cursor.execute(f"DROP SCHEMA {ASIDE}")
