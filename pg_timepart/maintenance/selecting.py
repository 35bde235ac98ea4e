"""From names, as people and tasks give them, to what there is."""

from __future__ import annotations

from collections.abc import Sequence

from pg_timepart.catalog import tablespaces
from pg_timepart.errors import UnknownName
from pg_timepart.maintenance.reconciling import reconcile
from pg_timepart.maintenance.targets import Target
from pg_timepart.models import PartitionLog


def logs_named(target: Target, names: Sequence[str]) -> list[PartitionLog]:
    """Return the rows of these tables, in the order of ``names``; raises UnknownName.

    A partition that was made by hand has no row until the next pass: it gets one here.
    """
    rows = _by_name(target)
    if any(name not in rows for name in names):
        reconcile(target.label)
        rows = _by_name(target)
    for name in names:
        if name not in rows:
            raise UnknownName(f"partition of {target.label}", str(name), list(rows))
    return [rows[name] for name in names]


def tablespace_named(target: Target, name: str) -> str:
    """Return ``name`` if the table's server has a tablespace of that name; raises UnknownName."""
    known = tablespaces(target.connection)
    if name not in known:
        raise UnknownName("tablespace", str(name), list(known))
    return name


def _by_name(target: Target) -> dict[str, PartitionLog]:
    return {row.table_name: row for row in target.rows()}
