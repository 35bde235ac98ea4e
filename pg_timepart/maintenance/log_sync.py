"""Keep the partition logs in step with the catalog, which is the truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.backends.utils import strip_quotes
from django.db.models import F

from pg_timepart.constants import ActionKind
from pg_timepart.findings import Code, Finding
from pg_timepart.maintenance.config_claims import Claim
from pg_timepart.maintenance.log_identity import detached_table_of, is_found_by_both, log_of
from pg_timepart.maintenance.target import Target
from pg_timepart.models import PartitionLog
from pg_timepart.models.database import configs, keep
from pg_timepart.partitions.tables import Parent, Partition
from pg_timepart.postgres.inheritance import read_links
from pg_timepart.postgres.unattached_tables import peculiarity, read_owned
from pg_timepart.schema.registry import registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """A difference between the catalog and our logs, and the log that ends it."""

    log: PartitionLog
    finding: Finding
    facts: Mapping[str, object] = field(default_factory=dict)
    """The fields that differ in an existing log; others, which people edit, are not saved."""
    is_gone: bool = False
    """Whether the table is gone, so that the log is deleted."""


def repairs(
    logs: Iterable[PartitionLog], parent: Parent, target: Target, now: datetime
) -> list[Repair]:
    """Return what differs, without saving anything. Makes no query while every table is found."""
    left = list(logs)
    found: list[Repair] = []
    for partition in parent.partitions:
        if partition.is_default or partition.bounds is None:
            continue
        log = log_of(partition, left)
        if log is not None:
            left.remove(log)
        found += _attached_repair(log, partition, target)
    present = {each.oid for each in parent.detached}
    kept = _left_elsewhere([each for each in left if each.relid not in present], parent, target)
    left = [each for each in left if each.pk not in kept]
    return [*found, *_detached_repairs(left, parent, target, now)]


def adoptions(
    logs: Iterable[PartitionLog], parent: Parent, target: Target, now: datetime
) -> tuple[list[Repair], list[Finding]]:
    """Return logs for detached partitions of ours that have none, found by their comments.

    The second list says which are not adopted, because they have properties of their own.
    """
    known = {log.relid for log in logs}
    found: list[Repair] = []
    refused: list[Finding] = []
    for each in read_owned(target.connection, parent, target.label):
        if each.oid in known:
            continue
        reason = peculiarity(target.connection, parent, each)
        if reason is None:
            found.append(_adoption(each, target, now))
        else:
            words = f"{each.name} was not adopted: {reason}"
            refused.append(Finding(Code.NOT_ADOPTED, words))
    return found, refused


def undisputed(found: Iterable[Repair], rivals: Iterable[Claim]) -> list[Repair]:
    """Return the repairs that take no partition from another config that claims the table."""
    claimed = {oid for each in rivals for oid in each.oids}
    return [
        each
        for each in found
        if not each.is_gone and not (each.log._state.adding and each.log.relid in claimed)
    ]


def save(found: Iterable[Repair], using: str | None) -> list[Finding]:
    """Save the repairs in one transaction and return what they repaired."""
    changes = list(found)
    if not changes:
        return []
    old = [each.log.pk for each in changes if not each.log._state.adding]
    new = [each.log for each in changes if each.log._state.adding]
    with transaction.atomic(using=using):
        # After a dump and restore, logs exchange OIDs, which are unique: clear these first.
        PartitionLog.objects.using(using).filter(pk__in=old).update(relid=-F("pk"))
        for each in changes:
            if each.is_gone:
                PartitionLog.objects.using(using).filter(pk=each.log.pk).delete()
            elif not each.log._state.adding:
                keep(each.log, **{"relid": each.log.relid, **each.facts})
        PartitionLog.objects.using(using).bulk_create(new, ignore_conflicts=True)
    return [each.finding for each in changes]


def _left_elsewhere(logs: list[PartitionLog], parent: Parent, target: Target) -> set[int]:
    """Return the keys of those logs whose partitions are attached to another table.

    The model has another table by now, or ``search_path`` leads to one. Deleting the logs would
    lose the pins, and the claim that keeps a config of defaults from retiring partitions of the
    other table. They are deleted once the model of that table has a config.
    """
    links = [
        each
        for each in read_links(target.connection, [log.relation for log in logs])
        if each.parent.oid != parent.oid
    ]
    settled = _tables_of_others(target) if links else frozenset()
    hanging = {
        each.partition
        for each in links
        if settled.isdisjoint({("", each.parent.name), (each.parent.schema, each.parent.name)})
    }
    return {each.pk for each in logs if each.relation in hanging}


def _tables_of_others(target: Target) -> frozenset[tuple[str, str]]:
    """Return the schemas, empty if undeclared, and names of tables of other models with configs."""
    others = {each._meta.label_lower: each._meta.db_table for each in registry()}
    labels = configs().filter(model_label__in=others).exclude(pk=target.config.pk)
    tables = (others[each] for each in labels.values_list("model_label", flat=True))
    parted = (strip_quotes(each).rpartition('"."') for each in tables)
    return frozenset((schema, name) for schema, _, name in parted)


def _adoption(partition: Partition, target: Target, now: datetime) -> Repair:
    assert partition.comment is not None  # noqa: S101
    log = PartitionLog(
        config=target.config,
        relid=partition.oid,
        schema_name=partition.schema,
        table_name=partition.name,
        start=partition.comment.bounds.start,
        end=partition.comment.bounds.end,
        is_attached=False,
        detached_at=now,
    )
    words = f"{partition.name} was detached and had no row; it has one now."
    return Repair(log=log, finding=Finding(Code.LOG_ADOPTED, words))


def _attached_repair(
    log: PartitionLog | None, partition: Partition, target: Target
) -> Iterator[Repair]:
    if log is None:
        log = PartitionLog(config=target.config)
        _follow(log, partition)
        yield Repair(log=log, finding=Finding(Code.LOG_ADDED, f"{partition.name} is recorded."))
        return
    words = f"{partition.name} was changed outside; its log is updated."
    finding = Finding(Code.LOG_CHANGED, words)
    if _never_began(log, partition):
        words = f"The detach of {partition.name} was cut short before it began."
        finding = Finding(Code.DETACH_NOT_BEGUN, words)
    if facts := _follow(log, partition):
        yield Repair(log=log, facts=facts, finding=finding)


def _follow(log: PartitionLog, partition: Partition) -> dict[str, object]:
    """Update the log of an attached partition from the catalog; return what differed."""
    assert partition.bounds is not None  # noqa: S101
    wanted = {
        "relid": partition.oid,
        "schema_name": partition.schema,
        "table_name": partition.name,
        "start": partition.bounds.start,
        "end": partition.bounds.end,
        "is_attached": True,
        "detached_at": None,
    }
    if log.unfinished == ActionKind.ATTACH and not partition.is_pending:
        wanted["unfinished"] = ""
    if _never_began(log, partition):
        wanted |= {"unfinished": "", "wanted_tablespace": ""}
    return _assign(log, wanted)


def _never_began(log: PartitionLog, partition: Partition) -> bool:
    """Whether a detach by retention was recorded as begun, and did not begin on the server."""
    is_begun = partition.is_pending or log.is_asked
    return log.unfinished == ActionKind.DETACH and not is_begun


def _detached_repairs(
    logs: Iterable[PartitionLog], parent: Parent, target: Target, now: datetime
) -> Iterator[Repair]:
    """Yield what differs in the logs of detached partitions: one log for each table."""
    present = {each.oid: each for each in parent.detached}
    certain_first = sorted(logs, key=lambda log: not is_found_by_both(log, present))
    claimed: set[int] = set()
    for log in certain_first:
        partition = detached_table_of(log, present, parent, target)
        if partition is None:
            yield _removal(log, f"{log.table_name} does not exist any more.")
        elif partition.oid in claimed:
            yield _removal(log, f"{partition.name} had a second row; that is gone.")
        else:
            claimed.add(partition.oid)
            yield from _detached_repair(log, partition, now)


def _removal(log: PartitionLog, words: str) -> Repair:
    return Repair(log=log, finding=Finding(Code.LOG_REMOVED, words), is_gone=True)


def _detached_repair(log: PartitionLog, partition: Partition, now: datetime) -> Iterator[Repair]:
    is_another = log.relid != partition.oid
    wanted: dict[str, object] = {
        "relid": partition.oid,
        "schema_name": partition.schema,
        "table_name": partition.name,
        "is_attached": False,
        "detached_at": now if is_another else log.detached_at or now,
        **_settled(log, partition),
        **(_begun_anew(log) if is_another else {}),
    }
    code, what = (
        (Code.LOG_DETACHED, "detached") if log.is_attached else (Code.LOG_CHANGED, "changed")
    )
    if facts := _assign(log, wanted):
        finding = Finding(code, f"{partition.name} was {what} outside; its log is updated.")
        yield Repair(log=log, facts=facts, finding=finding)


def _begun_anew(log: PartitionLog) -> dict[str, object]:
    """Return the fields to reset for a table that has the name or the OID of another one now.

    Its rows may be the same, after a restore, or others, after it was created anew: nothing tells.
    So its grace begins anew, and the unfinished action is dropped; the pin stays.
    """
    is_asked_of_another = log.unfinished in {ActionKind.DROP, ActionKind.ATTACH}
    return {"unfinished": "", "wanted_tablespace": ""} if is_asked_of_another else {}


def _settled(log: PartitionLog, partition: Partition) -> dict[str, str]:
    """Return the fields after an interrupted operation whose end the catalog shows."""
    has_arrived = partition.tablespace == log.wanted_tablespace or not log.wanted_tablespace
    if log.unfinished not in {ActionKind.DETACH, ActionKind.MOVE}:
        return {}
    if has_arrived:
        return {"unfinished": "", "wanted_tablespace": ""}
    return {"unfinished": ActionKind.MOVE.value}


def _assign(log: PartitionLog, wanted: dict[str, object]) -> dict[str, object]:
    differing = {name: value for name, value in wanted.items() if getattr(log, name) != value}
    for name, value in differing.items():
        setattr(log, name, value)
    return differing
