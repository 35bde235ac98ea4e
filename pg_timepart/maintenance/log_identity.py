"""Match partition logs with tables: by OID, or after a dump and restore by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pg_timepart.maintenance.target import Target
from pg_timepart.models import PartitionLog
from pg_timepart.partitions.tables import Parent, Partition
from pg_timepart.postgres.catalog import read_named
from pg_timepart.postgres.unattached_tables import is_owned


def log_of(partition: Partition, logs: Sequence[PartitionLog]) -> PartitionLog | None:
    """Return the log of a partition: by OID, or after a dump and restore by name."""
    by_oid = next((log for log in logs if log.relid == partition.oid), None)
    if by_oid is not None and (has_name_of(by_oid, partition) or by_oid.bounds == partition.bounds):
        return by_oid
    return next((log for log in logs if has_name_of(log, partition)), by_oid)


def detached_table_of(
    log: PartitionLog, present: Mapping[int, Partition], parent: Parent, target: Target
) -> Partition | None:
    """Return the log's table: by OID, or after a dump and restore by name.

    A table that is not ours and has its OID or its name by now is not it. A table that was given to
    another owner is still the log's; nothing is done to it.
    """
    by_oid = present.get(log.relid)
    if by_oid is not None and (has_name_of(log, by_oid) or _says_same(by_oid, log, parent, target)):
        return by_oid
    namesake = read_named(target.connection, log.schema_name, log.table_name)
    if namesake is not None and is_owned(target.connection, parent, namesake, target.label):
        return namesake
    return by_oid if by_oid is not None and _has_our_comment(by_oid, parent, target) else None


def is_found_by_both(log: PartitionLog, present: Mapping[int, Partition]) -> bool:
    return log.relid in present and has_name_of(log, present[log.relid])


def has_name_of(log: PartitionLog, partition: Partition) -> bool:
    return (log.schema_name, log.table_name) == (partition.schema, partition.name)


def _says_same(partition: Partition, log: PartitionLog, parent: Parent, target: Target) -> bool:
    """Whether the table's comment names the table and bounds of the log."""
    comment = partition.comment
    return (
        _has_our_comment(partition, parent, target)
        and comment is not None
        and comment.bounds == log.bounds
    )


def _has_our_comment(partition: Partition, parent: Parent, target: Target) -> bool:
    comment = partition.comment
    return comment is not None and (comment.names(parent) or comment.label == target.label)
