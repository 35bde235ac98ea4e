"""The operations of pg_timepart, in the order in which command line and admin offer them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pg_timepart.beat import schedules
from pg_timepart.constants import State
from pg_timepart.errors import InvalidPolicy
from pg_timepart.maintenance import manual
from pg_timepart.maintenance.history import Origin
from pg_timepart.maintenance.maintain import maintain_all, maintain_target, maintain_unattended
from pg_timepart.maintenance.operation_registry.arguments import (
    CONCURRENTLY,
    DAYS,
    END,
    PIN,
    START,
    TABLESPACE,
)
from pg_timepart.maintenance.operation_registry.operation import (
    Confirmation,
    Flag,
    ManyTables,
    Operation,
    Selection,
    Values,
)
from pg_timepart.maintenance.reconcile import reconcile_target
from pg_timepart.maintenance.report import Report
from pg_timepart.maintenance.target import Target
from pg_timepart.models import PartitionLog


def _create(
    target: Target,
    *,
    origin: Origin,
    days: int | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Report:
    if (start is None) != (end is None) or (days is not None and start is not None):
        raise InvalidPolicy("create_partitions takes days, or both start and end.")
    if start is None or end is None:
        return manual.create_next(target, 1 if days is None else days, origin=origin)
    return manual.create_range(target, start, end, origin=origin)


def _refuse_range(values: Values) -> str:
    days, start, end = values["days"], values["start"], values["end"]
    if (start is None) != (end is None):
        return "--from and --to go together."
    if days is not None and start is not None:
        return "--days does not go with --from and --to."
    if start is not None and not start < end:
        return f"The range must end after it starts: {start} is not before {end}."
    return ""


def _detach(
    target: Target,
    logs: Sequence[PartitionLog] | None,
    *,
    origin: Origin,
    concurrently: bool = True,
) -> Report:
    if logs is None:
        return manual.detach_expired(target, concurrently=concurrently, origin=origin)
    return manual.detach(target, logs, concurrently=concurrently, origin=origin)


MAINTAIN = Operation(
    name="maintain",
    task="maintain",
    summary="run a whole pass on these tables, or on every enabled one",
    details=(
        "A pass finishes what was interrupted, creates partitions ahead, detaches what is past"
        " retention, moves it, and drops what was detached longer ago than the config's grace."
        " Exit status: 1 if any pass failed or was deferred, else 0."
    ),
    gerund="a pass",
    button="Run a pass now",
    run=maintain_target,
    many=ManyTables(
        list_action="Run a pass now", run_all=lambda origin: maintain_all(origin=origin)
    ),
    unknown_model=maintain_unattended,
)
CREATE = Operation(
    name="create",
    task="create_partitions",
    method="create_partition",
    summary="create partitions",
    gerund="creating partitions",
    button="Create ahead",
    hint="Until the newest partition ends later than so many days from now; 0 makes the next one.",
    run=_create,
    arguments=(DAYS, START, END),
    refuse=_refuse_range,
)
DETACH = Operation(
    name="detach",
    task="detach_partitions",
    method="detach_partition",
    summary="detach partitions; their rows stay, in tables of their own",
    gerund="detaching",
    button="Detach",
    hint="The tables stay, with their rows, and can be attached again.",
    run=_detach,
    selection=Selection(
        states=frozenset({State.ATTACHED, State.PENDING}),
        without_names=Flag(
            names=("--expired",),
            help="all that are past retention, also more than the fuse of a pass allows",
        ),
    ),
    arguments=(CONCURRENTLY,),
)
ATTACH = Operation(
    name="attach",
    task="attach_partitions",
    method="attach_partition",
    summary="attach detached partitions again",
    gerund="attaching",
    button="Attach",
    run=manual.attach,
    selection=Selection(
        states=frozenset({State.DETACHED}),
        without_names=Flag(names=("--all",), help="all that are detached"),
    ),
    arguments=(PIN,),
)
MOVE = Operation(
    name="move",
    task="set_tablespace",
    method="move_partition",
    summary="move partitions with all their indexes to another tablespace",
    gerund="moving",
    button="Move",
    hint="With all indexes. An attached partition moves only if that takes no longer than the lock"
    " budget.",
    run=manual.move,
    selection=Selection(states=frozenset({State.ATTACHED, State.DETACHED})),
    arguments=(TABLESPACE,),
)
DROP = Operation(
    name="drop",
    task="drop_partitions",
    method="delete_partition",
    summary="drop detached partitions, with their rows, for good",
    gerund="dropping",
    button="Drop…",
    hint="Detached ones only. Asks first.",
    run=manual.drop,
    selection=Selection(states=frozenset({State.DETACHED})),
    permission="drop",
    confirmation=Confirmation(
        warning="These tables will be dropped with their rows, for good",
        participle="dropped",
        refusal="only what was detached first can be dropped",
    ),
    removes_tables=True,
)
RECONCILE = Operation(
    name="reconcile",
    task="reconcile",
    summary="update our records of these tables from the database, and report what only a person"
    " can decide",
    gerund="a comparison with the catalog",
    button="Reconcile with the catalog",
    run=reconcile_target,
    many=ManyTables(list_action="Reconcile rows with the catalog"),
    also=lambda: {"schedules": schedules.sync_all()},
)

BUILT_IN = (MAINTAIN, CREATE, DETACH, ATTACH, MOVE, DROP, RECONCILE)
