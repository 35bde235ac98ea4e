"""From names, as people and tasks give them, to what there is."""

from __future__ import annotations

from collections.abc import Sequence

from pg_timepart.catalog import tablespaces
from pg_timepart.constants import Outcome
from pg_timepart.errors import OperationDeferred, OperationFailed, UnknownName
from pg_timepart.maintenance.reconciling import reconcile
from pg_timepart.maintenance.recording import Origin
from pg_timepart.maintenance.reports import Report
from pg_timepart.maintenance.targets import Target
from pg_timepart.models import PartitionLog


def logs_named(
    target: Target,
    names: Sequence[str],
    *,
    origin: Origin | None = None,
    may_be_gone: bool = False,
) -> list[PartitionLog]:
    """Return the rows of these tables, in the order of ``names``; raises UnknownName.

    A partition that was made by hand has no row until the next pass: it gets one here. Raises
    OperationDeferred or OperationFailed where that could not be looked for. What ``may_be_gone``
    is left out if there is none.
    """
    rows = _by_name(target)
    if any(name not in rows for name in names):
        report = reconcile(target.label, origin=origin)
        rows = _by_name(target)
        if any(name not in rows for name in names):
            _refuse_unknown(report)
    known = [name for name in names if name in rows] if may_be_gone else names
    for name in known:
        if name not in rows:
            raise UnknownName(f"partition of {target.label}", str(name), list(rows))
    return [rows[name] for name in known]


def _refuse_unknown(report: Report) -> None:
    """Raise where reconciling did not get so far that what has no row now is not there."""
    if report.outcome is Outcome.DEFERRED:
        raise OperationDeferred(report.reason, report)
    if report.outcome is Outcome.FAILED:
        raise OperationFailed(report.reason, report)


def tablespace_named(target: Target, name: str) -> str:
    """Return ``name`` if the table's server has a tablespace of that name; raises UnknownName."""
    known = tablespaces(target.connection)
    if name not in known:
        raise UnknownName("tablespace", str(name), list(known))
    return name


def _by_name(target: Target) -> dict[str, PartitionLog]:
    return {row.table_name: row for row in target.rows()}
