"""Sizes of tables and numbers of rows, for people to read and never for decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart import conf
from pg_timepart.errors import Deferred
from pg_timepart.postgres.lock_attempts import Attempt, bounded
from pg_timepart.postgres.lock_waits import Budget, Waiting
from pg_timepart.postgres.search_path import fetch_all

# Reading the size of a table that is exclusively locked, or about to be, would have to wait.
FIGURES = """
SELECT c.oid, pg_catalog.pg_total_relation_size(c.oid), c.reltuples
FROM pg_catalog.pg_class c
WHERE c.oid = ANY(%(oids)s::oid[]) AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_locks l
    WHERE l.relation = c.oid AND l.mode = 'AccessExclusiveLock'
    AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Size of a table. A further figure is a field here and a column of FIGURES."""

    size_bytes: int | None = None
    """With indexes and TOAST; None where the table is locked, or has just been dropped."""

    rows_estimate: int | None = None
    """As ANALYZE or VACUUM estimated last; None where neither ran."""

    def figures_as_json(self) -> dict[str, Any]:
        """Return the figures by their names."""
        return {each.name: getattr(self, each.name) for each in fields(Figures)}


def read_figures(connection: BaseDatabaseWrapper, oids: Sequence[int]) -> dict[int, Figures]:
    """Return the figures of those tables that are not locked, in one query.

    Empty where a lock is taken during the query: a size is not worth waiting for.
    """

    def read() -> dict[int, Figures]:
        found = fetch_all(connection, FIGURES, {"oids": list(oids)})
        return {oid: _figures(*figures) for oid, *figures in found}

    budget = Budget(lock_ms=conf.options().LOCK_BUDGET_MS, wait_seconds=0.0, long_transaction_ms=0)
    try:
        attempt = Attempt(what="Reading the sizes", body=read, is_unhurried=True)
        return bounded(connection, attempt, budget=budget, waiting=Waiting())
    except Deferred:
        return {}


def _figures(size_bytes: int | None, tuples: float) -> Figures:
    return Figures(size_bytes=size_bytes, rows_estimate=None if tuples < 0 else round(tuples))
