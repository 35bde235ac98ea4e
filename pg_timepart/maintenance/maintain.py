"""Maintenance passes: on one table, on all tables, and the first partitions after ``migrate``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import groupby

from django.db import DatabaseError, InterfaceError, connections, models
from django.utils import timezone

from pg_timepart import conf
from pg_timepart.constants import Outcome
from pg_timepart.errors import TimepartError
from pg_timepart.maintenance import log_sync
from pg_timepart.maintenance.comments import outdated_comments
from pg_timepart.maintenance.history import (
    LONGEST_NAME,
    TIME_IS_UP,
    Origin,
    record_alone,
    touch_all,
)
from pg_timepart.maintenance.next_plan import dry_work, plan_of
from pg_timepart.maintenance.report import Report
from pg_timepart.maintenance.run import Request, run
from pg_timepart.maintenance.target import (
    Target,
    read_tables,
    target_named,
    target_of,
    usable,
)
from pg_timepart.maintenance.unattended import unattended
from pg_timepart.models import PartitionConfig, PartitionLog
from pg_timepart.models.database import configs, connection_of_rows, rows_alias
from pg_timepart.partitions.plan import Plan
from pg_timepart.partitions.planner import plan_pass, plan_provision
from pg_timepart.partitions.tables import Parent
from pg_timepart.postgres.sqlstate import renew, sentence
from pg_timepart.schema.registry import manager_of, registry
from pg_timepart.text import storable


def maintain(label: str, *, now: datetime | None = None, origin: Origin | None = None) -> Report:
    """Run one whole pass on the model ``label`` and return how it ended.

    Finishes what was interrupted, creates ahead, retires, moves, and drops what is past its
    grace. Ends ``deferred`` at once where another run has the table. With nothing to do it is
    four queries. Raises UnknownName, and InvalidSetting for settings that cannot be used;
    everything else ends in the report.
    """
    return _maintain(target_named(label), now, origin or Origin())


def maintain_target(target: Target, *, origin: Origin) -> Report:
    """Run one whole pass; a scheduled one leaves a disabled config alone. See maintain()."""
    if origin.is_scheduled and not target.config.enabled:
        return replace(_unchanged(target), message="The config is disabled.")
    return _maintain(target, None, origin)


def plan(label: str, *, now: datetime | None = None) -> Plan:
    """Return what maintain() would do now, and do nothing. Raises what maintain() reports."""
    return plan_of(dry_work(target_named(label), now), now)


def maintain_unattended(sent_label: object, origin: Origin) -> Report | None:
    """Return the report of a pass that was sent for a label which no decorated model has.

    Where the table of its config is that of a model without a config by now, that model gets the
    config and is maintained. Else the run is recorded as failed, with what to do. None for a label
    of which nothing is known, unless a schedule goes on sending it.
    """
    label = storable(str(sent_label).lower())[:LONGEST_NAME]
    config = configs().filter(model_label=label).first()
    if config is None and not origin.is_scheduled:
        return None
    if config is not None and origin.is_scheduled and not config.enabled:
        return Report(label=label, operation="maintain", outcome=Outcome.UNCHANGED)
    heir = None if config is None else _heir_of(config)
    if heir is not None:
        return _maintain(heir, None, origin)
    report = _failed(label, _said_of(label))
    record_alone(report, origin, started_at=timezone.now(), seconds=0.0, config=config)
    return report


def _heir_of(config: PartitionConfig) -> Target | None:
    """Return the model that takes over this config, because it has its table and no config."""
    known = _configs(registry())
    without = [each for each in registry() if each._meta.label_lower not in known]
    targets = (target_of(each) for each in without)
    return next((each for each in targets if each.config.pk == config.pk), None)


def _said_of(label: str) -> str:
    found = (each.sentence for each in unattended() if each.label == label)
    return next(found, f"No partitioned model {label} is installed.")


def maintain_all(*, now: datetime | None = None, origin: Origin | None = None) -> list[Report]:
    """Run a pass on every enabled model, one after the other, and return their reports.

    Reads all tables of a database in one query and runs only on those with something to do. An
    error in one stops no other.
    """
    targets, reports = _enabled_targets()
    for alias, group in _by_database(targets):
        reports += _maintain_database(alias, group, now, origin or Origin())
    return reports


def enabled_labels() -> list[str]:
    """Return the labels of the decorated models whose configs are enabled."""
    return [model._meta.label_lower for model, _ in _enabled_models()]


def provision(target: Target, *, origin: Origin | None = None, wait_seconds: float = 0.0) -> Report:
    """Create partitions for now and ``premake`` periods ahead; retire nothing.

    Waits for so long while another run has the table.
    """
    request = Request(
        operation="provision",
        planner=plan_provision,
        origin=origin or Origin(),
        wait_seconds=wait_seconds,
    )
    return run(target, request)


def _maintain(target: Target, now: datetime | None, origin: Origin) -> Report:
    return run(target, Request(operation="maintain", planner=plan_pass, origin=origin, now=now))


def _maintain_database(
    alias: str, targets: list[Target], now: datetime | None, origin: Origin
) -> list[Report]:
    quiet = {each.label: _unchanged(each) for each in _idle_ones(alias, targets, now)}
    return [quiet.get(each.label) or _maintain_guarded(each, now, origin) for each in targets]


def _idle_ones(alias: str, targets: list[Target], now: datetime | None) -> list[Target]:
    """Return those with nothing to do, and record that they were checked.

    None where reading all of them together fails: the pass of each table meets the error again, and
    records it.
    """
    try:
        logs = _logs_by_config(targets)
        parents = _read_all(alias, targets, logs)
        idle = [
            target
            for target in targets
            if _is_idle(target, logs.get(target.config.pk, []), parents, now)
        ]
    except TIME_IS_UP:
        raise
    except Exception:  # noqa: BLE001  # an error of one table stops no other
        renew(connection_of_rows())
        renew(connections[conf.maintenance_alias(alias)])
        return []
    if idle:
        looked_at = next(each.read_at for each in parents.values())
        touch_all([each.config for each in idle], looked_at)
    return idle


def _maintain_guarded(target: Target, now: datetime | None, origin: Origin) -> Report:
    """Run a pass; where it loses the connection, the next table gets a new one.

    Does nothing where the config was disabled while another table was maintained.
    """
    try:
        if _is_off(target.config):
            return _unchanged(target)
        return _maintain(target, now, origin)
    except (DatabaseError, InterfaceError) as error:
        renew(connection_of_rows())
        return _failed(target.label, sentence(error))


def _is_off(config: PartitionConfig) -> bool:
    known = PartitionConfig.objects.using(config._state.db)
    return known.filter(pk=config.pk, enabled=False).exists()


def _is_idle(
    target: Target, logs: list[PartitionLog], parents: dict[str, Parent], now: datetime | None
) -> bool:
    try:
        parent = usable(target, parents.get(target.model._meta.db_table))
        moment = now or parent.read_at
        planned = plan_pass(target.plan_input(parent, logs, moment))
    except TimepartError:  # the table's own pass meets it again, and records it
        return False
    is_right = not log_sync.repairs(logs, parent, target, moment)
    return planned.is_empty and is_right and not outdated_comments(target, parent, logs)


def _failed(label: str, message: str) -> Report:
    return Report(label=label, operation="maintain", outcome=Outcome.FAILED, message=message)


def _unchanged(target: Target) -> Report:
    return Report(label=target.label, operation="maintain", outcome=Outcome.UNCHANGED)


def _enabled_targets() -> tuple[list[Target], list[Report]]:
    """Return the targets, and the reports of models whose config cannot be made."""
    targets: list[Target] = []
    broken: list[Report] = []
    for model, config in _enabled_models():
        try:
            targets.append(target_of(model, config=config))
        except TimepartError as error:
            broken.append(_failed(model._meta.label_lower, str(error)))
        except (DatabaseError, InterfaceError) as error:
            renew(connection_of_rows())
            broken.append(_failed(model._meta.label_lower, sentence(error)))
    return targets, broken


def _enabled_models() -> Iterator[tuple[type[models.Model], PartitionConfig | None]]:
    known = _configs(registry())
    for model in registry():
        config = known.get(model._meta.label_lower)
        defaults = manager_of(model).defaults
        if config.enabled if config else defaults.get("default_enabled", True):
            yield model, config


def _configs(wanted: Iterable[type[models.Model]]) -> dict[str, PartitionConfig]:
    labels = [each._meta.label_lower for each in wanted]
    return {each.model_label: each for each in configs().filter(model_label__in=labels)}


def _by_database(targets: list[Target]) -> Iterator[tuple[str, list[Target]]]:
    ordered = sorted(targets, key=lambda each: each.alias)
    return ((alias, list(group)) for alias, group in groupby(ordered, lambda each: each.alias))


def _logs_by_config(targets: list[Target]) -> dict[int, list[PartitionLog]]:
    keys = [each.config.pk for each in targets]
    grouped: dict[int, list[PartitionLog]] = {}
    for log in PartitionLog.objects.using(rows_alias()).filter(config__in=keys):
        grouped.setdefault(log.config_id, []).append(log)
    return grouped


def _read_all(
    alias: str, targets: list[Target], logs: dict[int, list[PartitionLog]]
) -> dict[str, Parent]:
    connection = connections[conf.maintenance_alias(alias)]
    return read_tables(connection, targets, lambda target: logs.get(target.config.pk, ()))
