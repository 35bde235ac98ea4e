"""Moving, dropping and emptying partitions, and dropping their foreign keys."""

from __future__ import annotations

from datetime import datetime, timedelta

from pg_timepart.errors import Conflict, Deferred, Refused
from pg_timepart.maintenance.clock_skew import surely
from pg_timepart.maintenance.context import Work
from pg_timepart.maintenance.executor import Session
from pg_timepart.partitions.plan import Action
from pg_timepart.partitions.tables import Partition
from pg_timepart.partitions.time_zones import FOR_EVER
from pg_timepart.postgres.action_steps import drop_steps, move_steps, truncate_steps, unlink_steps
from pg_timepart.postgres.lock_attempts import LockTimeout
from pg_timepart.postgres.table_details import read_foreign_keys


def move(work: Work, action: Action, session: Session) -> str:
    """Move the table and all its indexes.

    A detached one moves in a transaction of its own, however long that takes. An attached one
    moves only if the copy fits into the lock budget, for its readers wait meanwhile.
    """
    work.reread()
    leaf, tablespace = work.own_partition(action), action.tablespace
    assert tablespace is not None  # noqa: S101
    work.begin(action)
    try:
        session.run(move_steps(leaf, tablespace))
    except LockTimeout as error:
        if leaf.is_attached:
            raise Deferred(
                f"{error} While {leaf.name} is attached it moves only if that takes less than"
                f" {session.budget.lock_ms} ms; detach it first to move it at leisure."
            ) from error
        raise
    work.settle(action, wanted_tablespace="")
    return action.reason


def unlink(work: Work, action: Action, session: Session) -> str:
    """Drop the foreign keys of a detached table, so that what it refers to can be deleted.

    Raises Conflict where it is attached by now.
    """
    work.reread()
    leaf = work.own_partition(action)
    if leaf.is_attached:
        raise Conflict(f"{leaf.name} is attached by now, and keeps its foreign keys.")
    session.run(unlink_steps(leaf, read_foreign_keys(work.target.connection, leaf)))
    return action.reason


def drop(work: Work, action: Action, session: Session) -> str:
    """Drop a detached table and forget it.

    Raises Refused while it is attached, has not been detached for as long as the grace says, or is
    not ours any more; and Deferred where it was pinned meanwhile, unless a person asked for this.
    """
    work.reread()
    work.refuse_pinned(action)
    leaf, row, grace = work.own_partition(action), work.row_of(action.oid), work.policy.drop_after
    if leaf.is_attached:
        raise Refused(f"{leaf.name} is attached: only what was detached first can be dropped.")
    if grace and row is not None and row.detached_at:
        _refuse_within_grace(leaf, row.detached_at, grace, surely(work.now, work.parent))
    if action.is_asked:
        work.begin(action)  # else, after a crash, the config says anew whether it shall go
    session.run(drop_steps(leaf, read_foreign_keys(work.target.connection, leaf)))
    work.forget(action)
    return action.reason


def _refuse_within_grace(
    leaf: Partition, detached_at: datetime, grace: timedelta, now: datetime
) -> None:
    left = grace - (now - detached_at)
    if left > timedelta(0):
        until = FOR_EVER if left > FOR_EVER - now else now + left
        raise Refused(
            f"{leaf.name} was detached at {detached_at:%Y-%m-%d %H:%M} UTC and is kept until"
            f" {until:%Y-%m-%d %H:%M} UTC by the config's grace of {grace}."
        )


def truncate(work: Work, action: Action, session: Session) -> str:
    """Empty the table."""
    work.reread()
    session.run(truncate_steps(work.own_partition(action)))
    return action.reason
