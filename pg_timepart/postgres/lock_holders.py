"""Holders of table and advisory locks, from ``pg_locks`` and ``pg_stat_activity``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.partitions.tables import Relation
from pg_timepart.postgres.ddl import Lock
from pg_timepart.postgres.search_path import fetch_all

NAMESPACE = 0x70677470
"""First key of our advisory locks; the second is the OID of the parent table."""

# https://www.postgresql.org/docs/current/explicit-locking.html, table 13.2
CONFLICTS = {
    "SHARE UPDATE EXCLUSIVE": (
        "ShareUpdateExclusiveLock",
        "ShareLock",
        "ShareRowExclusiveLock",
        "ExclusiveLock",
        "AccessExclusiveLock",
    ),
    "SHARE": (
        "RowExclusiveLock",
        "ShareUpdateExclusiveLock",
        "ShareRowExclusiveLock",
        "ExclusiveLock",
        "AccessExclusiveLock",
    ),
    "SHARE ROW EXCLUSIVE": (
        "RowExclusiveLock",
        "ShareUpdateExclusiveLock",
        "ShareLock",
        "ShareRowExclusiveLock",
        "ExclusiveLock",
        "AccessExclusiveLock",
    ),
    "ACCESS EXCLUSIVE": (
        "AccessShareLock",
        "RowShareLock",
        "RowExclusiveLock",
        "ShareUpdateExclusiveLock",
        "ShareLock",
        "ShareRowExclusiveLock",
        "ExclusiveLock",
        "AccessExclusiveLock",
    ),
}

# The locks of a prepared transaction belong to no process. Among them is that of its own number,
# which says which one it is. When it began is not kept, only when it was prepared.
HOLDING = """
WITH locks AS MATERIALIZED (
    SELECT * FROM pg_catalog.pg_locks l
    WHERE l.granted AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
), prepared AS (
    SELECT p.*, l.virtualtransaction FROM locks l
    JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = l.transactionid
    WHERE l.locktype = 'transactionid' AND l.pid IS NULL
)
SELECT l.pid, COALESCE(a.application_name, ''), COALESCE(a.usename, p.owner, ''), l.mode,
       extract(epoch FROM clock_timestamp()
               - COALESCE(a.xact_start, p.prepared, {otherwise}))::float8,
       {what}, l.virtualtransaction, p.gid, COALESCE(a.usename, p.owner) = session_user, l.objid
FROM locks l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
LEFT JOIN prepared p ON l.pid IS NULL AND p.virtualtransaction = l.virtualtransaction
{among}
WHERE l.database = (SELECT oid FROM pg_catalog.pg_database
                  WHERE datname = pg_catalog.current_database())
AND {which}
ORDER BY COALESCE(a.xact_start, p.prepared) NULLS LAST, l.pid
"""

HOLDERS = HOLDING.format(
    what="l.relation::pg_catalog.regclass::text",
    otherwise="NULL",
    among="JOIN unnest(%(relations)s::oid[], %(modes)s::text[]) AS w(relation, mode)"
    " ON w.relation = l.relation AND w.mode = l.mode",
    which="l.locktype = 'relation'",
)

# Holders of the advisory lock: its keys are classid and objid, with objsubid 2. A session may have
# it without a transaction; then it is known since when it has been idle.
ADVISORY_HOLDERS = HOLDING.format(
    otherwise="a.state_change",
    what="'the advisory lock of ' || l.objid::pg_catalog.regclass::text",
    among="",
    which="l.locktype = 'advisory' AND l.objsubid = 2 AND l.classid = %(namespace)s::bigint::oid"
    " AND l.objid = ANY(%(oids)s::oid[])",
)

# FINALIZE waits for no prepared transaction: that has no snapshot.
OLDEST_SNAPSHOT = """
SELECT a.pid, COALESCE(a.application_name, ''), COALESCE(a.usename, ''), 'snapshot',
       extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8, 'the database',
       a.pid::text, NULL, a.usename = session_user, NULL
FROM pg_catalog.pg_stat_activity a
WHERE a.backend_xmin IS NOT NULL AND a.pid <> pg_catalog.pg_backend_pid()
AND a.datname = pg_catalog.current_database() AND a.backend_type = 'client backend'
ORDER BY a.xact_start NULLS LAST
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A transaction with a conflicting lock, or with a snapshot that must end first."""

    pid: int | None
    """The process id of its backend; None where the transaction is prepared."""

    application: str
    user: str
    mode: str
    open_seconds: float | None
    """How long its transaction has been open; None where the role may not see that."""

    relation: str
    """What it holds a lock on, by name."""

    transaction: str
    """Identifies its transaction as long as that is open."""

    gid: str | None = None
    """The name of a prepared transaction."""

    is_of_our_role: bool | None = None
    """Whether its role is the role that asked; None where that is not known."""

    object_number: int | None = None
    """Of an advisory lock: the OID of the table that it is for."""

    def __str__(self) -> str:
        if self.gid is not None:
            return (
                f"prepared transaction {self.gid!r} (owner {self.user!r}, prepared "
                f"{self.open_seconds:.1f} s ago; COMMIT PREPARED or ROLLBACK PREPARED ends it)"
            )
        age = "" if self.open_seconds is None else f", open for {self.open_seconds:.1f} s"
        return f"pid {self.pid} (application {self.application!r}, user {self.user!r}{age})"


def advisory_holders(connection: BaseDatabaseWrapper, parent: Relation) -> list[Holder]:
    """Return the present holders of the advisory lock of ``parent``."""
    return read_advisory_holders(connection, [parent]).get(parent.oid, [])


def read_advisory_holders(
    connection: BaseDatabaseWrapper, parents: Iterable[Relation]
) -> dict[int, list[Holder]]:
    """Return by OID the present holders of the advisory locks of ``parents``, in one query."""
    values = {"namespace": NAMESPACE, "oids": [each.oid for each in parents]}
    found: dict[int, list[Holder]] = {}
    for each in _holders(connection, ADVISORY_HOLDERS, values):
        found.setdefault(each.object_number or 0, []).append(each)
    return found


def holders_of(connection: BaseDatabaseWrapper, locks: Sequence[Lock]) -> list[Holder]:
    """Return the present holders of locks that conflict with ``locks``, the oldest first."""
    pairs = [(each.relation.oid, mode) for each in locks for mode in CONFLICTS[each.mode]]
    values = {"relations": [oid for oid, _ in pairs], "modes": [mode for _, mode in pairs]}
    return _holders(connection, HOLDERS, values)


def oldest_snapshots(connection: BaseDatabaseWrapper) -> list[Holder]:
    """Return the holders of snapshots that FINALIZE would wait for, the oldest first."""
    return _holders(connection, OLDEST_SNAPSHOT, {})


def _holders(connection: BaseDatabaseWrapper, query: str, values: dict[str, Any]) -> list[Holder]:
    found = fetch_all(connection, query, values)
    return [
        Holder(
            pid=pid,
            application=application,
            user=user,
            mode=mode,
            open_seconds=age,
            relation=relation,
            transaction=transaction,
            gid=gid,
            is_of_our_role=is_ours,
            object_number=number,
        )
        for pid, application, user, mode, age, relation, transaction, gid, is_ours, number in found
    ]
