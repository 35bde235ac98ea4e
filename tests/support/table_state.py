"""State of a partitioned table, as lines to compare, without OIDs and times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection, models

from pg_timepart.models import PartitionConfig, PartitionLog, PartitionRun
from pg_timepart.postgres.lock_holders import NAMESPACE
from tests.apps.depot.models import Pallet
from tests.apps.foundry.models import Pulse
from tests.apps.plant.models import Measurement, Reading, Shift

# The parent and every table named like a partition of it, whoever made it.
TABLES = """
SELECT c.relname, c.relkind,
       format('hangs on %%s %%s, pending %%s, lives in %%s, comment %%s', p.relname,
              pg_get_expr(c.relpartbound, c.oid), i.inhdetachpending, s.spcname,
              obj_description(c.oid, 'pg_class'))
FROM pg_class c
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
LEFT JOIN pg_class p ON p.oid = i.inhparent
LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
WHERE c.relkind IN ('r', 'p') AND starts_with(c.relname, %s)
"""

INDEXES = """
SELECT t.relname, format('%%s in %%s, valid %%s, part of %%s', pg_get_indexdef(x.oid), s.spcname,
                         n.indisvalid, p.relname)
FROM pg_index n
JOIN pg_class t ON t.oid = n.indrelid
JOIN pg_class x ON x.oid = n.indexrelid
LEFT JOIN pg_tablespace s ON s.oid = x.reltablespace
LEFT JOIN pg_inherits i ON i.inhrelid = x.oid
LEFT JOIN pg_class p ON p.oid = i.inhparent
WHERE starts_with(t.relname, %s)
"""

CONSTRAINTS = """
SELECT t.relname, format('%%s %%s, valid %%s, local %%s, inherited %%s', k.conname,
                         pg_get_constraintdef(k.oid), k.convalidated, k.conislocal, k.coninhcount)
FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid
WHERE starts_with(t.relname, %s)
"""

# On both ends of foreign keys; their names have OIDs in them.
TRIGGERS = """
SELECT t.relname, format('%%s triggers for foreign keys of %%s', count(*), o.relname)
FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid JOIN pg_class o ON o.oid = g.tgconstrrelid
WHERE starts_with(t.relname, %s) OR starts_with(o.relname, %s)
GROUP BY t.relname, o.relname
"""

ADVISORY = """
SELECT l.objid::regclass::text FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE l.locktype = 'advisory' AND l.classid = %s AND l.granted AND d.datname = current_database()
"""

WIPE = """
DO $$ DECLARE leaf regclass; BEGIN
FOR leaf IN SELECT oid FROM pg_class
            WHERE relkind = 'r' AND starts_with(relname, '{table}')
LOOP EXECUTE format('DROP TABLE %s', leaf); END LOOP; END $$
"""

# A partition that a foreign key refers to is dropped once it is detached, and not before.
RELEASE = """
DO $$ DECLARE leaf regclass; is_pending boolean; referring regclass; BEGIN
FOR referring IN SELECT DISTINCT conrelid FROM pg_constraint
                 WHERE contype = 'f' AND confrelid = to_regclass('{table}') AND conparentid = 0
LOOP
    EXECUTE format('DELETE FROM %s', referring);
    FOR leaf, is_pending IN SELECT inhrelid, inhdetachpending FROM pg_inherits
                            WHERE inhparent = to_regclass('{table}')
    LOOP EXECUTE format('ALTER TABLE {table} DETACH PARTITION %s %s', leaf,
                        CASE WHEN is_pending THEN 'FINALIZE' END); END LOOP;
END LOOP; END $$
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What must be equal, whatever happened on the way."""

    facts: frozenset[str]

    def difference(self, found: State) -> str:
        """Return what ``found`` lacks and has too much."""
        missing = [f"  - {each}" for each in sorted(self.facts - found.facts)]
        surplus = [f"  + {each}" for each in sorted(found.facts - self.facts)]
        return "\n".join(missing + surplus)


def observe(model: type[models.Model]) -> State:
    """Return the state of the model's table now: the catalog, the rows in it, and our rows."""
    return State(facts=frozenset([*_catalog(model._meta.db_table), *_logs(model)]))


def observe_tables(model: type[models.Model]) -> State:
    """Return the state of the model's tables and of the rows in them, whatever our rows say."""
    return State(facts=frozenset(_catalog(model._meta.db_table)))


def reset_table(model: type[models.Model], **policy: Any) -> None:
    """Remove every partition, attached or not, and its rows; give the config this policy."""
    with connection.cursor() as cursor:
        cursor.execute(RELEASE.format(table=model._meta.db_table))
        cursor.execute(WIPE.format(table=model._meta.db_table))
    label = model._meta.label_lower
    PartitionConfig.objects.filter(model_label=label).delete()
    PartitionRun.objects.filter(model_label=label).delete()
    PartitionConfig.objects.create(
        model_label=label, **{"period": "Day", "premake": 1, "interval": None, **policy}
    )


def reset_plant_tables() -> None:
    """Leave nothing of a past or a referring table, which later tests would stumble over."""
    for model in (Reading, Measurement, Shift, Pallet, Pulse):
        reset_table(model)


def change_policy(model: type[models.Model], **policy: Any) -> None:
    """Edit the config as an operator does."""
    PartitionConfig.objects.filter(model_label=model._meta.label_lower).update(**policy)


def locked_tables(cursor: Any) -> list[str]:
    """Return the tables whose advisory locks are held."""
    cursor.execute(ADVISORY, [NAMESPACE])
    return [name for (name,) in cursor.fetchall()]


def _catalog(table: str) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(TABLES, [table])
        for name, kind, what in cursor.fetchall():
            yield f"{name} {kind} {what}"
            cursor.execute(f'SELECT value FROM "{name}" ORDER BY value')
            yield f"{name} holds {cursor.fetchall()}"
        for query in (INDEXES, CONSTRAINTS):
            cursor.execute(query, [table])
            yield from (f"{name}: {what}" for name, what in cursor.fetchall())
        cursor.execute(TRIGGERS, [table, table])
        yield from (f"{name}: {what}" for name, what in cursor.fetchall())


def _logs(model: type[models.Model]) -> Iterator[str]:
    for row in PartitionLog.objects.filter(config__model_label=model._meta.label_lower):
        yield (
            f"row of {row.schema_name}.{row.table_name} [{row.start}, {row.end}),"
            f" attached {row.is_attached}, since {row.detached_at is not None},"
            f" pinned {row.detach_time}, unfinished {row.unfinished!r}"
            f" towards {row.wanted_tablespace!r}"
        )
