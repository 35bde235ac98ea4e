"""Provision tables after ``migrate``: a config and first partitions, so that INSERTs succeed."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Any, TextIO

from django.apps import AppConfig
from django.core.management import CommandError
from django.db import connections, models, router

from pg_timepart import conf
from pg_timepart.beat import schedules
from pg_timepart.constants import Outcome
from pg_timepart.errors import KeyFormatContradicted, NotPartitioned, OperationFailed
from pg_timepart.maintenance.history import Origin
from pg_timepart.maintenance.maintain import provision
from pg_timepart.maintenance.report import Report
from pg_timepart.maintenance.target import Target, target_of, target_without_logs
from pg_timepart.models import PartitionConfig, PartitionLog, PartitionRun
from pg_timepart.models.database import is_home, rows_alias
from pg_timepart.partitions.coverage import runs_out_at
from pg_timepart.post_migrate.rename_configs import follow_models, hand_over_unused, is_renamed
from pg_timepart.postgres.catalog import read_parents
from pg_timepart.postgres.search_path import FOUND_TABLES, fetch_all
from pg_timepart.schema.declaration import declaration_of, key_column
from pg_timepart.schema.registry import declared_formats, registry

FOUND_COLUMNS = f"""
SELECT count(*) FROM unnest({FOUND_TABLES}, %(columns)s::text[]) AS w(relation, name)
JOIN pg_catalog.pg_attribute a
    ON a.attrelid = w.relation AND a.attname = w.name
WHERE NOT a.attisdropped
"""  # noqa: S608  # made of a constant


class NoRoom(OperationFailed, CommandError):
    """Raised where no partition for new rows is there, or can be made; ``migrate`` exits with 1."""


def after_migrate(
    sender: AppConfig,  # noqa: ARG001
    *,
    using: str,
    plan: Iterable[tuple[Any, bool]] = (),
    verbosity: int = 1,
    stdout: TextIO | None = None,
    **_kwargs: Any,
) -> None:
    """Receive post_migrate: relabel configs of renamed models, and create first partitions.

    Raises NoRoom, after everything else is done, where a table has no partition that covers now.
    Other failures are printed as warnings, and left to the next pass.
    """
    if connections[using].vendor != "postgresql":
        return
    given = follow_models(plan, using) if has_rows(rows_alias()) else set()
    provided = [_provide(target) for target in _targets(using, given)]
    if using == rows_alias():
        _follow_schedules(using)
    if verbosity:
        _warn([report for report, lack in provided if not lack], stdout or sys.stdout)
    _refuse([(report, lack) for report, lack in provided if lack])


def _provide(target: Target) -> tuple[Report, str]:
    """Return the report, and the sentence by which ``migrate`` fails; empty if one covers now.

    If one does, the run gives up at once where another run has the table; else it waits for that.
    """
    seconds = 0.0 if _has_room(target) else conf.options().LOCK_WAIT_SECONDS
    report = provision(target, origin=Origin(started_by="migrate"), wait_seconds=seconds)
    return report, "" if _has_room(target) else _lack(target, report)


def _has_room(target: Target) -> bool:
    try:
        parent = target.read([])
    except NotPartitioned:  # the run raises it too, and reports it
        return False
    runs_out = runs_out_at(parent, parent.read_at)
    return runs_out is None or runs_out > parent.read_at


def _lack(target: Target, report: Report) -> str:
    try:
        target.read([])
    except KeyFormatContradicted as error:
        return f"{report.label}: {error} No partition was made for new rows."
    except NotPartitioned:  # the report says so
        pass
    return (
        f"{report.label} has no partition for new rows: {report.reason} Until it has one, every"
        f" INSERT of a new row fails. Run migrate again, or timepart maintain {report.label}."
    )


def _warn(reports: Iterable[Report], out: TextIO) -> None:
    for each in reports:
        if each.outcome in (Outcome.DEFERRED, Outcome.FAILED):
            out.write(
                f"Warning: {each.label} accepts rows, but not all is ready: {each.reason}"
                " The next pass goes on.\n"
            )


def _refuse(lacking: Sequence[tuple[Report, str]]) -> None:
    if lacking:
        raise NoRoom(" ".join(lack for _, lack in lacking), lacking[0][0])


def _follow_schedules(using: str) -> None:
    """Make or remove beat entries for the configs, unless our tables are of an older release."""
    if has_rows(using):
        schedules.sync_all()
    else:
        schedules.retire_all()


def _targets(using: str, given: Collection[str]) -> list[Target]:
    """Return those decorated models whose partitioned table is in the database ``using``.

    Where our rows live elsewhere, or are not migrated yet, the table gets its first partitions
    all the same.
    """
    models_here = {each._meta.db_table: each for each in registry()}
    parents = read_parents(
        connections[using],
        list(models_here),
        zone=conf.zone(),
        formats=declared_formats(models_here),
    )
    here = [
        models_here[name]
        for name, parent in parents.items()
        if _is_declared(models_here[name], parent.key)
    ]
    keeps_logs = has_rows(rows_alias())
    return [
        _target(each, using, keeps_logs and not is_renamed(each, using, given)) for each in here
    ]


def _is_declared(model: type[models.Model], key: str | None) -> bool:
    declaration = declaration_of(model)
    return declaration is not None and key_column(model, declaration) == key


def _target(model: type[models.Model], using: str, keeps_logs: bool) -> Target:
    if not keeps_logs:
        return target_without_logs(model, using)
    if is_home(model, using):
        hand_over_unused(model, using)
    return target_of(model, using)


def has_rows(alias: str) -> bool:
    """Return whether our tables are in this database, with all of their columns."""
    if not router.allow_migrate_model(alias, PartitionConfig):
        return False
    connection = connections[alias]
    wanted = [
        (connection.ops.quote_name(each._meta.db_table), field.column)
        for each in (PartitionConfig, PartitionLog, PartitionRun)
        for field in each._meta.local_concrete_fields
    ]
    columns = {"columns": [name for _, name in wanted]}
    tables = [table for table, _ in wanted]
    ((count,),) = fetch_all(connection, FOUND_COLUMNS, columns, tables=tables)
    return bool(count == len(wanted))
