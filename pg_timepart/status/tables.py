"""How every partitioned table is doing: for the command, the admin and a health probe.

Reads only, takes no lock that anybody could wait for, and waits for nobody: a constant number of
queries per database, whatever the number of tables. One table in trouble stops no other: what is
wrong with it is in its ``problems``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import django.db
from django.db import models

from pg_timepart import conf
from pg_timepart.beat.timetable import Timetable, read_timetable
from pg_timepart.constants import State
from pg_timepart.errors import TimepartError
from pg_timepart.findings import Code, Finding
from pg_timepart.maintenance.config_claims import Claim, claims_on, dispute, is_free
from pg_timepart.maintenance.reconcile import gaps
from pg_timepart.maintenance.target import (
    Target,
    decorated,
    defaults_of,
    read_tables,
    target_of,
    usable,
)
from pg_timepart.maintenance.unattended import unattended
from pg_timepart.models import PartitionConfig, PartitionLog
from pg_timepart.models.database import rows_alias
from pg_timepart.partitions.addresses import Addresses
from pg_timepart.partitions.coverage import runs_out_at
from pg_timepart.partitions.tables import Parent, Partition
from pg_timepart.postgres.column_differences import Difference, obstacles, read_differences
from pg_timepart.postgres.lock_holders import Holder, read_advisory_holders
from pg_timepart.postgres.other_tools import OtherManager, read_other_managers
from pg_timepart.schema.registry import registry
from pg_timepart.status.deferrals import gave_way_repeatedly
from pg_timepart.status.health import (
    assess,
    gave_way,
    in_one_line,
    no_table,
    unreadable,
    worst_first,
)
from pg_timepart.status.overdue import overdue
from pg_timepart.status.sizes import Figures, read_figures
from pg_timepart.status.types import (
    Health,
    PartitionStatus,
    TableStatus,
    health_of,
    period_in_words,
)
from pg_timepart.status.unattended import status_of

__all__ = ["Health", "PartitionStatus", "State", "TableStatus", "all_statuses", "table_status"]


def table_status(model: type[models.Model] | str) -> TableStatus:
    """Return how one model's table is doing; raises UnknownName, InvalidSetting."""
    return all_statuses([model])[0]


def all_statuses(
    wanted: Iterable[type[models.Model] | str] | None = None,
) -> list[TableStatus]:
    """Return how these models' tables are doing, or all, in the order of their labels.

    All are also what no decorated model looks after any more. Outside of ``atomic()`` a database
    that is away, or tables of ours that are not migrated, are problems of the tables concerned.
    Raises UnknownName and InvalidSetting, and the database's error where no model is decorated.
    """
    conf.zone()
    conf.options()
    chosen = {_model(each) for each in (registry() if wanted is None else wanted)}
    own = _read_own(sorted(chosen, key=lambda model: model._meta.label_lower))
    by_alias = sorted(own.targets, key=lambda target: target.alias)
    found = [
        status
        for _, group in groupby(by_alias, key=lambda target: target.alias)
        for status in _statuses_in(list(group), own)
    ]
    also = _unattended(own) if wanted is None else []
    return sorted([*found, *also], key=lambda status: status.label)


def _unattended(own: _Own) -> list[TableStatus]:
    """Return what has no model, if that can be read; else it is a problem of those that have."""
    try:
        return [status_of(each) for each in unattended()]
    except django.db.Error:
        if not own.targets:
            raise
        return []


@dataclass(slots=True, kw_only=True)
class _Own:
    """What our rows say, or why they do not."""

    targets: list[Target]
    rows: dict[int, list[PartitionLog]]
    timetable: Timetable | None = None
    deferred: frozenset[str] = frozenset()
    """Labels of models whose last runs all gave way."""

    trouble: tuple[Finding, ...] = ()


def _read_own(chosen: Sequence[type[models.Model]]) -> _Own:
    using = rows_alias()
    labels = [model._meta.label_lower for model in chosen]
    rows: dict[int, list[PartitionLog]] = {}
    try:
        found = PartitionConfig.objects.using(using).filter(model_label__in=labels)
        configs = {each.model_label: each for each in found}
        logs = PartitionLog.objects.using(using).filter(config__model_label__in=labels)
        for row in logs.order_by("config", "start", "schema_name", "table_name"):
            rows.setdefault(row.config_id, []).append(row)
        deferred = gave_way_repeatedly(configs.values())
    except django.db.Error as error:
        trouble = unreadable(f"The rows of pg_timepart in the database {using!r}", error)
        return _Own(targets=[_target(model, {}) for model in chosen], rows={}, trouble=(trouble,))
    targets = [_target(model, configs) for model in chosen]
    try:
        timetable = read_timetable()
    except django.db.Error as error:
        words = f"The schedules of django_celery_beat cannot be read. {in_one_line(error)}"
        trouble = Finding(Code.SCHEDULES_UNREADABLE, words)
        return _Own(targets=targets, rows=rows, deferred=deferred, trouble=(trouble,))
    return _Own(targets=targets, rows=rows, deferred=deferred, timetable=timetable)


def _target(model: type[models.Model], configs: dict[str, PartitionConfig]) -> Target:
    """Return the target, with what would become its config row where there is none: reads only."""
    label = model._meta.label_lower
    return target_of(model, config=configs.get(label) or _unsaved_config(model))


def _unsaved_config(model: type[models.Model]) -> PartitionConfig:
    try:
        return PartitionConfig(model_label=model._meta.label_lower, **defaults_of(model))
    except TimepartError:  # the system checks say so; what is in the table counts here
        return PartitionConfig(model_label=model._meta.label_lower)


def _statuses_in(targets: list[Target], own: _Own) -> list[TableStatus]:
    """Return the statuses of the tables in one database."""
    rows = {each.label: own.rows.get(each.config.pk, []) for each in targets}
    try:
        seen = _read_database(targets, rows, own.deferred)
        if not own.trouble:
            seen.claims = _read_claims(targets, seen.parents)
    except (django.db.Error, TimepartError) as error:
        away = unreadable(f"The database {targets[0].alias!r}", error)
        return [_without_table(each, [away]) for each in targets]
    return [_status(each, seen, rows[each.label], own) for each in targets]


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What one database says."""

    parents: dict[str, Parent]
    figures: dict[int, Figures]
    managers: dict[int, tuple[OtherManager, ...]]
    holders: dict[int, list[Holder]]
    """By table: who has the advisory lock of those whose last runs all gave way."""
    differences: dict[int, tuple[Difference, ...]]
    """How the columns of detached partitions differ from their parents', by OID."""
    claims: dict[int, list[Claim]] = field(default_factory=dict)
    """The configs that record partitions of each table."""

    def disputed(self, target: Target, parent: Parent) -> list[Finding]:
        """Return which other configs claim the table, unless one will be the model's own."""
        rivals = [each for each in self.claims.get(parent.oid, []) if each.key != target.config.pk]
        is_taken_over = not target.keeps_rows and len(rivals) == 1
        if not rivals or (is_taken_over and is_free(rivals[0], parent, target.alias)):
            return []
        return [dispute(target.label, rivals)]

    def beside(self, parent: Parent) -> list[Finding]:
        """Return who else manages the table."""
        return [Finding(Code.OTHER_TOOL, each.sentence) for each in self.managers[parent.oid]]


def _read_database(
    targets: list[Target], rows: dict[str, list[PartitionLog]], deferred: frozenset[str]
) -> _Seen:
    connection = targets[0].connection
    parents = read_tables(connection, targets, lambda target: rows[target.label])
    kept = [
        parents[each.model._meta.db_table]
        for each in targets
        if each.label in deferred and each.model._meta.db_table in parents
    ]
    present = [
        each.oid for parent in parents.values() for each in (*parent.partitions, *parent.detached)
    ]
    return _Seen(
        parents=parents,
        figures=read_figures(connection, present),
        managers=read_other_managers(connection, parents.values()),
        holders=read_advisory_holders(connection, kept) if kept else {},
        differences=read_differences(connection, _pairs(targets, rows, parents)),
    )


def _pairs(
    targets: list[Target], rows: dict[str, list[PartitionLog]], parents: dict[str, Parent]
) -> list[tuple[int, int]]:
    """Return the OIDs of each detached partition and of its parent."""
    return [
        (parents[target.model._meta.db_table].oid, row.relid)
        for target in targets
        if target.model._meta.db_table in parents
        for row in rows[target.label]
        if not row.is_attached
    ]


def _read_claims(targets: list[Target], parents: dict[str, Parent]) -> dict[int, list[Claim]]:
    tables = {each.oid: each.partitions for each in parents.values()}
    return claims_on(tables, targets[0].alias)


def _status(target: Target, seen: _Seen, rows: list[PartitionLog], own: _Own) -> TableStatus:
    try:
        parent = usable(target, seen.parents.get(target.model._meta.db_table))
    except TimepartError as error:
        return _without_table(target, [*own.trouble, no_table(error)])
    by_oid = {row.relid: row for row in rows}
    present = [*parent.partitions, *(each for each in parent.detached if each.oid in by_oid)]
    names = Addresses(present)
    partitions = tuple(_partition(each, by_oid.get(each.oid), seen, names) for each in present)
    runs_out = runs_out_at(parent, parent.read_at)
    findings = [*own.trouble, *seen.beside(parent), *seen.disputed(target, parent)]
    findings += assess(target, parent, rows, runs_out)
    if target.label in own.deferred:
        findings.append(gave_way(target.config, seen.holders.get(parent.oid, [])))
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
    """Return what is known whether there is a table or not."""
    config = target.config
    return {
        "label": target.label,
        "alias": target.alias,
        "health": health_of(findings),
        "problems": tuple(worst_first(findings)),
        "period": period_in_words(config.period, config.periods_per_partition),
        "interval": config.interval,
        "premake": config.premake,
        "is_enabled": config.enabled,
        "last_outcome": config.last_outcome,
        "last_message": config.last_message,
        "last_run_at": config.last_run_at,
        "last_checked_at": config.last_checked_at,
    }


def _partition(
    partition: Partition, row: PartitionLog | None, seen: _Seen, names: Addresses
) -> PartitionStatus:
    counted = seen.figures.get(partition.oid, Figures())
    return PartitionStatus(
        oid=partition.oid,
        name=partition.name,
        schema=partition.schema,
        address=names.shown(partition),
        bounds=partition.bounds or (None if partition.is_default or not row else row.bounds),
        state=_state(partition),
        tablespace=partition.tablespace,
        size_bytes=counted.size_bytes,
        rows_estimate=counted.rows_estimate,
        pinned_until=row.detach_time if row else None,
        detached_at=row.detached_at if row else None,
        unfinished=row.unfinished if row else "",
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
