"""Putting detached partitions back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError

from pg_timepart.errors import Conflict
from pg_timepart.maintenance.actions.default_partition import beside_default
from pg_timepart.maintenance.context import Work
from pg_timepart.maintenance.executor import Session
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.plan import Action
from pg_timepart.partitions.tables import Leaf, Partition
from pg_timepart.postgres import orphaned_rows
from pg_timepart.postgres.action_steps import attach_steps, finalize_step, move_steps
from pg_timepart.postgres.alignment import Alignment, alignment_steps, read_alignment, unlike
from pg_timepart.postgres.sqlstate import FOREIGN_KEY_VIOLATION, sentence, sqlstate
from pg_timepart.postgres.table_details import read_leaf
from pg_timepart.postgres.unattached_tables import peculiarity


def attach(work: Work, action: Action, session: Session) -> str:
    """Attach the partition with its old bounds and record it.

    A pending detach is ended first. Moving, bringing it in step with the parent, building indexes
    and checking rows come next, under locks that stop nobody who uses the parent. Raises Conflict
    where another partition covers some of the range, the table has triggers, rules or row security
    of its own, or columns or rows of it are not as the parent has them and only a person may change
    that; and Refused where it is not ours any more.
    """
    work.reread()
    leaf, bounds = work.own_partition(action), action.bounds
    assert bounds is not None  # noqa: S101
    if leaf.is_attached and not leaf.is_pending:
        _record_attached(work, action)
        return "was attached"
    _refuse_overlap(work, action, bounds)
    if not leaf.is_pending:
        _refuse_peculiar(work, leaf)
    work.begin(action)
    if leaf.is_pending:
        session.run([finalize_step(work.parent, work.template(), leaf)])
        work.reread()
        leaf = work.own_partition(action)
        _refuse_peculiar(work, leaf)
    alignment = read_alignment(work.target.connection, work.parent, leaf)
    if alignment.obstacles:
        raise Conflict(unlike(leaf, alignment.obstacles))
    sides = work.sides(bounds)
    tablespace = action.tablespace or work.parent.tablespace or leaf.tablespace
    if tablespace != leaf.tablespace:
        session.run(move_steps(leaf, tablespace))
    details = read_leaf(work.target.connection, work.parent, leaf, sides)
    with _reasons_named(work, leaf, alignment), beside_default(work, session):
        session.run(alignment_steps(leaf, alignment))
        session.run(attach_steps(work.parent, work.template(), details, sides, tablespace))
    session.remarks.extend(_remarks(details, alignment))
    _record_attached(work, action)
    return action.reason


@contextmanager
def _reasons_named(work: Work, leaf: Partition, alignment: Alignment) -> Iterator[None]:
    """Run the block; raise Conflict with the rows that a constraint of the parent refuses."""
    try:
        yield
    except IntegrityError as error:
        name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
        found = _rows_refused(work, leaf, alignment, sqlstate(error), name) if name else None
        if found is None:
            raise
        raise Conflict(f"{leaf.name} cannot be attached. {sentence(error)} {found}") from error


def _rows_refused(
    work: Work, leaf: Partition, alignment: Alignment, state: str | None, name: str
) -> str | None:
    """Return which rows a constraint refuses and what to do, where there is more to say."""
    if state == FOREIGN_KEY_VIOLATION:
        return orphaned_rows.described(work.target.connection, leaf, name)
    column = next((each.column for each in alignment.not_nulls if each.check == name), None)
    if column is None:
        return None
    return (
        f"The parent declares {column} NOT NULL: give the rows of {leaf.name} that have none a"
        " value, then attach it."
    )


def _remarks(leaf: Leaf, alignment: Alignment) -> Iterator[str]:
    expected = {each.name for each in leaf.bounds_checks}
    for name in alignment.own_checks:
        if name not in expected:
            yield (
                f"It keeps the CHECK {name}, which the parent has not: rows that it refuses are"
                " refused in this range until it is dropped."
            )


def _refuse_overlap(work: Work, action: Action, bounds: Bounds) -> None:
    for each in work.parent.ranged:
        if each.bounds is not None and each.oid != action.oid and bounds.overlaps(each.bounds):
            raise Conflict(
                f"{action.partition} cannot be attached: {each.name} covers some of its range."
                f" Detach {each.name} first, or move the rows of one into the other."
            )


def _refuse_peculiar(work: Work, leaf: Partition) -> None:
    reason = peculiarity(work.target.connection, work.parent, leaf)
    if reason is not None:
        raise Conflict(f"{leaf.name} cannot be attached: {reason}")


def _record_attached(work: Work, action: Action) -> None:
    work.settle(action, is_attached=True, detached_at=None, wanted_tablespace="")
