"""Resolve names of partitions to partition logs, and check names of tablespaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pg_timepart.constants import Outcome
from pg_timepart.errors import (
    AmbiguousName,
    NotPartitioned,
    OperationDeferred,
    OperationFailed,
    Refused,
    UnknownName,
)
from pg_timepart.maintenance.history import Origin
from pg_timepart.maintenance.reconcile import reconcile
from pg_timepart.maintenance.report import Report
from pg_timepart.maintenance.target import Target
from pg_timepart.models import PartitionLog
from pg_timepart.partitions.addresses import Addresses, qualified
from pg_timepart.partitions.tables import Partition, Relation
from pg_timepart.postgres.catalog import tablespaces


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A partition by the name and OID that were shown: another table may have the name now."""

    name: str
    oid: int


def logs_named(
    target: Target,
    names: Sequence[str | Shown],
    *,
    origin: Origin | None = None,
    may_be_gone: bool = False,
) -> list[PartitionLog]:
    """Return the logs of these tables, in the order of ``names``.

    A name is a table name or ``schema.table``, and means the table that has it now, whatever our
    logs say; with an OID it means the table of that OID alone, as long as it has the name. A
    partition that was made by hand has no log until the next pass: it gets one here, by a
    reconcile. With ``may_be_gone``, names that no partition has are left out. Raises UnknownName,
    AmbiguousName where a name means more than one table, Refused where another table has the name
    that came with an OID, and OperationDeferred or OperationFailed where the reconcile ended so.
    """
    there = _read(target)
    if not all(there.has_rows(name) for name in names):
        report = reconcile(target.label, origin=origin)
        there = _read(target)
        if not all(there.has_rows(name) for name in names):
            _refuse_unknown(report)
    known = [name for name in names if there.has_rows(name)] if may_be_gone else names
    return [there.the_row(name) for name in known]


def as_shown(logs: Sequence[PartitionLog]) -> list[Shown]:
    """Return the tables of these logs by name and OID, so that they mean no other table later."""
    return [Shown(name=each.table_name, oid=each.relid) for each in logs]


@dataclass(frozen=True, slots=True, kw_only=True)
class _KnownPartitions:
    """The partitions of a table by their present names, and our logs of them."""

    label: str
    partitions: Sequence[Partition]
    addresses: Addresses
    logs: dict[int, PartitionLog]

    def meant_by(self, name: str | Shown) -> Sequence[Relation]:
        """Return every table that the name can mean."""
        if isinstance(name, str):
            return self.addresses.meant_by(name)
        return [each for each in self.addresses.meant_by(name.name) if each.oid == name.oid]

    def has_rows(self, name: str | Shown) -> bool:
        """Whether a partition has this name, and there is a log of each that it can mean."""
        meant = self.meant_by(name)
        return bool(meant) and all(each.oid in self.logs for each in meant)

    def the_row(self, name: str | Shown) -> PartitionLog:
        """Return the log of the only table that the name means."""
        meant = self.meant_by(name)
        if isinstance(name, Shown):
            self._refuse_replaced(name)
            name = name.name
        if len(meant) > 1:
            clear = filter(None, map(self.addresses.clear_name, meant))
            matches = [qualified(each) for each in meant]
            kind = f"partitions of {self.label}"
            raise AmbiguousName(kind, name, sorted(matches), sorted(clear))
        if not meant or meant[0].oid not in self.logs:
            known = [each for each in self.partitions if each.oid in self.logs]
            shown = [self.addresses.shown(each) for each in known]
            raise UnknownName(f"partition of {self.label}", str(name), shown)
        return self.logs[meant[0].oid]

    def _refuse_replaced(self, shown: Shown) -> None:
        if self.addresses.meant_by(shown.name) and not self.meant_by(shown):
            raise Refused(
                f"{shown.name} is another table by now than the one that was shown, OID"
                f" {shown.oid}: it was made anew, restored or renamed since. Nothing was done;"
                " look at it again."
            )


def _read(target: Target) -> _KnownPartitions:
    logs = target.logs()
    try:
        parent = target.read(logs)
    except NotPartitioned:  # reconciling raises it too, and records it
        partitions: tuple[Partition, ...] = ()
    else:
        partitions = (*parent.partitions, *parent.detached)
    return _KnownPartitions(
        label=target.label,
        partitions=partitions,
        addresses=Addresses(partitions),
        logs={log.relid: log for log in logs},
    )


def _refuse_unknown(report: Report) -> None:
    """Raise where the reconcile ended too early to tell that the partition does not exist."""
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
