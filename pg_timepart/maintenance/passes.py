"""Whole passes: one table, all tables, and the first partitions after ``migrate``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby

from django.db import DatabaseError, connections, models, router

from pg_timepart import conf
from pg_timepart.catalog import read_parents
from pg_timepart.constants import Outcome
from pg_timepart.declaring import registry
from pg_timepart.errors import TimepartError
from pg_timepart.maintenance import rows as row_keeping
from pg_timepart.maintenance.recording import Origin, touch_all
from pg_timepart.maintenance.reports import Report
from pg_timepart.maintenance.runs import Request, preview, run
from pg_timepart.maintenance.targets import Target, decorated, known_rows, target_of, usable
from pg_timepart.models import PartitionConfig, PartitionLog
from pg_timepart.planning import Plan, plan_pass, plan_provision
from pg_timepart.relations import Parent


def maintain(label: str, *, now: datetime | None = None, origin: Origin | None = None) -> Report:
    """Run one whole pass on the model ``label`` and return how it ended.

    Finishes what was interrupted, creates ahead, retires, moves, and drops what is past its
    grace. Ends ``deferred`` at once where another run has the table. With nothing to do it is
    four queries. Raises UnknownName; everything else ends in the report.
    """
    return _maintain(target_of(decorated(label)), now, origin or Origin())


def plan(label: str, *, now: datetime | None = None) -> Plan:
    """Return what maintain() would do now, and do nothing. Raises what maintain() reports."""
    return preview(target_of(decorated(label)), plan_pass, now)


def maintain_all(*, now: datetime | None = None, origin: Origin | None = None) -> list[Report]:
    """Run a pass on every enabled model, one after the other, and return how each ended.

    Looks at all tables of a database in one query and touches only those with something to do.
    One that fails stops no other.
    """
    reports: list[Report] = []
    for alias, targets in _by_database(_enabled_targets()):
        reports += _maintain_database(alias, targets, now, origin or Origin())
    return reports


def enabled_labels() -> list[str]:
    """Return the labels of the decorated models whose configs are enabled."""
    return [each.label for each in _enabled_targets()]


def provision(target: Target, *, origin: Origin | None = None) -> Report:
    """Make the table accept rows, now and ``premake`` periods ahead; retire nothing."""
    request = Request(operation="provision", planner=plan_provision, origin=origin or Origin())
    return run(target, request)


def _maintain(target: Target, now: datetime | None, origin: Origin) -> Report:
    return run(target, Request(operation="maintain", planner=plan_pass, origin=origin, now=now))


def _maintain_database(
    alias: str, targets: list[Target], now: datetime | None, origin: Origin
) -> list[Report]:
    rows = _rows_by_config(targets)
    parents = _read_all(alias, targets, rows)
    idle = [
        target
        for target in targets
        if _is_idle(target, rows.get(target.config.pk, []), parents, now)
    ]
    moment = now or next((each.read_at for each in parents.values()), None)
    if moment is not None:
        touch_all([each.config for each in idle], moment)
    quiet = {each.label: _unchanged(each) for each in idle}
    return [quiet.get(each.label) or _maintain_guarded(each, now, origin) for each in targets]


def _maintain_guarded(target: Target, now: datetime | None, origin: Origin) -> Report:
    """Run a pass; a connection lost on the way ends it, and the next table gets a new one."""
    try:
        return _maintain(target, now, origin)
    except DatabaseError as error:
        return Report(
            label=target.label,
            operation="maintain",
            outcome=Outcome.FAILED,
            message=f"The connection was lost: {error}",
        )


def _is_idle(
    target: Target, rows: list[PartitionLog], parents: dict[str, Parent], now: datetime | None
) -> bool:
    try:
        parent = usable(target, parents.get(target.model._meta.db_table))
        moment = now or parent.read_at
        planned = plan_pass(parent, known_rows(rows), target.policy(parent), moment)
    except TimepartError:  # the table's own pass meets it again, and records it
        return False
    return planned.is_empty and not row_keeping.repairs(rows, parent, target, moment)


def _unchanged(target: Target) -> Report:
    return Report(label=target.label, operation="maintain", outcome=Outcome.UNCHANGED)


def _enabled_targets() -> list[Target]:
    configs = _configs(registry())
    targets = [
        target_of(model, config=configs.get(model._meta.label_lower)) for model in registry()
    ]
    return [each for each in targets if each.config.enabled]


def _configs(wanted: Iterable[type[models.Model]]) -> dict[str, PartitionConfig]:
    rows = PartitionConfig.objects.using(router.db_for_write(PartitionConfig))
    labels = [each._meta.label_lower for each in wanted]
    return {each.model_label: each for each in rows.filter(model_label__in=labels)}


def _by_database(targets: list[Target]) -> Iterator[tuple[str, list[Target]]]:
    ordered = sorted(targets, key=lambda each: each.alias)
    return ((alias, list(group)) for alias, group in groupby(ordered, lambda each: each.alias))


def _rows_by_config(targets: list[Target]) -> dict[int, list[PartitionLog]]:
    using = router.db_for_write(PartitionConfig)
    keys = [each.config.pk for each in targets]
    grouped: dict[int, list[PartitionLog]] = {}
    for row in PartitionLog.objects.using(using).filter(config__in=keys):
        grouped.setdefault(row.config_id, []).append(row)
    return grouped


def _read_all(
    alias: str, targets: list[Target], rows: dict[int, list[PartitionLog]]
) -> dict[str, Parent]:
    detached = [row.relid for group in rows.values() for row in group if not row.is_attached]
    tables = [each.model._meta.db_table for each in targets]
    connection = connections[conf.maintenance_alias(alias)]
    return read_parents(connection, tables, zone=conf.zone(), detached=detached)
