"""Status of every partitioned table, for the command, the admin and health probes.

Reads only, takes no lock that could make another session wait, and waits for none: a constant
number of queries per database, whatever the number of tables. An error in one table stops no other:
it is in that table's ``problems``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import django.db
from django.db import models

from pg_timepart import conf
from pg_timepart.constants import State
from pg_timepart.errors import TimepartError
from pg_timepart.findings import Finding
from pg_timepart.maintenance.reconcile import gaps
from pg_timepart.maintenance.target import Target, decorated, usable
from pg_timepart.maintenance.unattended import unattended
from pg_timepart.models import PartitionLog
from pg_timepart.partitions.addresses import Addresses
from pg_timepart.partitions.coverage import runs_out_at
from pg_timepart.partitions.tables import Parent, Partition
from pg_timepart.postgres.column_differences import obstacles
from pg_timepart.schema.registry import registry
from pg_timepart.status.database import Database, read_claims, read_database
from pg_timepart.status.health import assess, no_table, runs_deferred, unreadable, worst_first
from pg_timepart.status.overdue import overdue
from pg_timepart.status.records import Records, config_facts, read_records
from pg_timepart.status.sizes import Figures
from pg_timepart.status.types import PartitionStatus, TableStatus, health_of
from pg_timepart.status.unattended import status_of_unattended


def status_of(model: type[models.Model] | str) -> TableStatus:
    """Return the status of one model's table; raises UnknownName and InvalidSetting.

    ``model`` is a decorated model or its label, ``app.model``. See statuses().
    """
    return statuses([model])[0]


def statuses(wanted: Iterable[type[models.Model] | str] | None = None) -> list[TableStatus]:
    """Return the status of the tables of these models, in the order of their labels.

    Without ``wanted``, those of all decorated models, and what is left of models that are no longer
    decorated. Reads only, and needs no transaction: outside of ``atomic()``, a database that cannot
    be read, or tables of pg_timepart that are not migrated, are problems of the tables concerned.
    Raises UnknownName for a model that is not decorated, InvalidSetting where ``PG_TIMEPART`` or
    ``TIME_ZONE`` cannot be used, and the database's error where no model is decorated.
    """
    conf.zone()
    conf.options()
    chosen = {_model(each) for each in (registry() if wanted is None else wanted)}
    own = read_records(sorted(chosen, key=lambda model: model._meta.label_lower))
    by_alias = sorted(own.targets, key=lambda target: target.alias)
    found = [
        status
        for _, group in groupby(by_alias, key=lambda target: target.alias)
        for status in _statuses_in(list(group), own)
    ]
    also = _unattended(own) if wanted is None else []
    return sorted([*found, *also], key=lambda status: status.label)


def _unattended(own: Records) -> list[TableStatus]:
    """Return the status of unattended labels; none if unreadable, which models then report."""
    try:
        return [status_of_unattended(each) for each in unattended()]
    except django.db.Error:
        if not own.targets:
            raise
        return []


def _statuses_in(targets: list[Target], own: Records) -> list[TableStatus]:
    """Return the statuses of the tables in one database."""
    logs = {each.label: own.logs.get(each.config.pk, []) for each in targets}
    try:
        seen = read_database(targets, logs, own.deferred)
        if not own.trouble:
            seen.claims = read_claims(targets, seen.parents)
    except (django.db.Error, TimepartError) as error:
        away = unreadable(f"The database {targets[0].alias!r}", error)
        return [_without_table(each, [away]) for each in targets]
    return [_status(each, seen, logs[each.label], own) for each in targets]


def _status(target: Target, seen: Database, logs: list[PartitionLog], own: Records) -> TableStatus:
    try:
        parent = usable(target, seen.parents.get(target.model._meta.db_table))
    except TimepartError as error:
        return _without_table(target, [*own.trouble, no_table(error)])
    by_oid = {log.relid: log for log in logs}
    present = [*parent.partitions, *(each for each in parent.detached if each.oid in by_oid)]
    names = Addresses(present)
    partitions = tuple(
        _partition(each, by_oid.get(each.oid), parent, seen, names) for each in present
    )
    runs_out = runs_out_at(parent, parent.read_at)
    findings = [*own.trouble, *seen.beside(parent), *seen.disputed(target, parent)]
    findings += assess(target, parent, logs, runs_out)
    if target.label in own.deferred:
        findings.append(runs_deferred(target.config, seen.holders.get(parent.oid, [])))
    delay = own.timetable and own.timetable.delay(target.config, parent.read_at)
    if delay:
        findings.append(overdue(target.config, delay))
    return TableStatus(
        **_facts(target, findings),
        table=f"{parent.schema}.{parent.name}",
        read_at=parent.read_at,
        runs_out_at=runs_out,
        overdue_since=delay.due_at if delay else None,
        partitions=partitions,
        gaps=tuple(gaps(parent)),
    )


def _without_table(target: Target, findings: Sequence[Finding]) -> TableStatus:
    return TableStatus(
        **_facts(target, findings),
        table=target.model._meta.db_table,
        read_at=None,
        runs_out_at=None,
        overdue_since=None,
        partitions=(),
        gaps=(),
    )


def _facts(target: Target, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the fields that are known whether or not the table exists."""
    return {
        "label": target.label,
        "alias": target.alias,
        "health": health_of(findings),
        "problems": tuple(worst_first(findings)),
        **config_facts(target.config),
    }


def _partition(
    partition: Partition,
    log: PartitionLog | None,
    parent: Parent,
    seen: Database,
    names: Addresses,
) -> PartitionStatus:
    figures = seen.figures.get(partition.oid, Figures())
    return PartitionStatus(
        oid=partition.oid,
        name=partition.name,
        schema=partition.schema,
        address=names.shown(partition),
        bounds=partition.bounds or (None if partition.is_default or not log else log.bounds),
        literals=parent.noted(partition.literals),
        state=_state(partition),
        tablespace=partition.tablespace,
        **figures.figures_as_json(),
        pinned_until=log.detach_time if log else None,
        detached_at=log.detached_at if log else None,
        unfinished=log.unfinished if log else "",
        obstacles=obstacles(partition, seen.differences.get(partition.oid, ())),
    )


def _state(partition: Partition) -> State:
    if not partition.is_attached:
        return State.DETACHED
    if partition.is_pending:
        return State.PENDING
    return State.DEFAULT if partition.is_default else State.ATTACHED


def _model(wanted: type[models.Model] | str) -> type[models.Model]:
    return decorated(wanted if isinstance(wanted, str) else wanted._meta.label_lower)
