"""The test databases as they were made: remembered once, and given back after each module.

Cheaper than Django's ``flush``, which truncates every partition and sends post_migrate.
"""

from __future__ import annotations

from typing import Any

from django.db import connections

from pg_timepart.maintenance.maintain import provision
from pg_timepart.maintenance.target import target_of
from pg_timepart.models import PartitionConfig
from pg_timepart.schema.registry import registry

CONFIGURED = {alias: connections[alias].settings_dict["NAME"] for alias in connections}

KEPT = (
    "django_",
    "auth_permission",
    "pg_timepart_partitionconfig",
    "pg_timepart_partitionlog",
)
"""Tables whose rows ``migrate`` makes, by how their names begin."""

SCHEMAS = """
SELECT quote_ident(nspname) FROM pg_namespace
WHERE nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%'
"""

RELATIONS = """
SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
       WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
       format('%I.%I', n.nspname, c.relname), i.inhparent::regclass::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
"""

# A DROP with CASCADE of an attached partition would take along the foreign keys to the table.
RELEASE = """
DO $$ DECLARE each record; BEGIN
FOR each IN SELECT i.inhrelid::regclass AS leaf, i.inhparent::regclass AS parent,
                   CASE WHEN i.inhdetachpending THEN 'FINALIZE' END AS last
            FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE c.relispartition AND i.inhrelid = ANY (%s::regclass[]::oid[])
            AND i.inhparent IN (SELECT confrelid FROM pg_constraint WHERE contype = 'f')
LOOP EXECUTE format('ALTER TABLE %%s DETACH PARTITION %%s %%s', each.parent, each.leaf, each.last);
END LOOP; END $$
"""

Facts = dict[str, frozenset[tuple[Any, ...]]]

_wanted: dict[str, Facts] = {}


def remember() -> None:
    """Take what each test database has now for what each module of tests shall find."""
    for alias in _made():
        _wanted.setdefault(alias, _facts(alias))


def remove_additions() -> None:
    """Drop the schemas and tables that were made since, and delete the records of runs."""
    connections.close_all()
    for alias, wanted in _wanted.items():
        now = _objects(alias)
        with connections[alias].cursor() as cursor:
            for (schema,) in now["schemas"] - wanted["schemas"]:
                cursor.execute(f"DROP SCHEMA {schema} CASCADE")
            additions = now["relations"] - wanted["relations"]
            cursor.execute(RELEASE, [[name for _, name, parent in additions if parent]])
            for kind, name, _ in additions:
                cursor.execute(f"DROP {kind} IF EXISTS {name} CASCADE")
            if ("TABLE", "public.pg_timepart_partitionrun", None) in wanted["relations"]:
                cursor.execute("DELETE FROM public.pg_timepart_partitionrun")
    connections.close_all()


def restore() -> None:
    """Let the models have the configs and partitions again that they have after ``migrate``."""
    for alias, wanted in _wanted.items():
        now = _facts(alias)
        if now != wanted:
            _provide(alias, now, wanted)
            _wanted[alias] = _facts(alias)  # other days have other partitions
    connections.close_all()


def remove_rows() -> None:
    """Delete the rows of all models but for those that ``migrate`` made; close all connections."""
    connections.close_all()
    for alias in _wanted:
        names = connections[alias].introspection.django_table_names(only_existing=True)
        deleted = [f"DELETE FROM {name}" for name in names if not name.startswith(KEPT)]
        with connections[alias].cursor() as cursor:
            # Without the triggers of foreign keys no order matters.
            cursor.execute("SET session_replication_role = replica; " + "; ".join(deleted))
    connections.close_all()


def not_made() -> set[str]:
    """Return the aliases that have no test database yet."""
    return {
        alias
        for alias, name in CONFIGURED.items()
        if connections[alias].settings_dict["NAME"] == name
    }


def _made() -> set[str]:
    """Return the aliases whose test database exists, but for mirrors of another."""
    made = CONFIGURED.keys() - not_made()
    return {each for each in made if not connections[each].settings_dict["TEST"]["MIRROR"]}


def _objects(alias: str) -> Facts:
    with connections[alias].cursor() as cursor:
        cursor.execute(SCHEMAS)
        schemas = frozenset(cursor.fetchall())
        cursor.execute(RELATIONS)
        relations = frozenset(cursor.fetchall())
    return {"schemas": schemas, "relations": relations}


def _facts(alias: str) -> Facts:
    names = [each.name for each in PartitionConfig._meta.local_concrete_fields if each.editable]
    configs = PartitionConfig.objects.using(alias)
    return {
        **_objects(alias),
        "configs": frozenset(configs.values_list("model_label", *names)),
        "logs": frozenset(
            configs.values_list("model_label", "logs__table_name", "logs__is_attached")
        ),
    }


def _provide(alias: str, now: Facts, wanted: Facts) -> None:
    labels = {label for name in ("configs", "logs") for label, *_ in now[name] ^ wanted[name]}
    parents = {parent for *_, parent in now["relations"] ^ wanted["relations"]}
    PartitionConfig.objects.using(alias).filter(model_label__in=labels).delete()
    for model in registry():
        if model._meta.label_lower in labels or model._meta.db_table in parents:
            provision(target_of(model, alias))
