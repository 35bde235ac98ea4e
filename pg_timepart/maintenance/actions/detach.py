"""Taking partitions off."""

from __future__ import annotations

from pg_timepart.constants import ActionKind
from pg_timepart.errors import Deferred
from pg_timepart.maintenance.actions.comment import first_mark
from pg_timepart.maintenance.context import Work
from pg_timepart.maintenance.executor import Session
from pg_timepart.partitions.plan import Action
from pg_timepart.partitions.tables import Partition
from pg_timepart.postgres.action_steps import (
    ACCESS_EXCLUSIVE,
    SHARE_ROW_EXCLUSIVE,
    detach_steps,
    finalize_step,
)
from pg_timepart.postgres.ddl import Lock
from pg_timepart.postgres.lock_holders import Holder, holders_of, oldest_snapshots


def detach(work: Work, action: Action, session: Session) -> str:
    """Detach the partition and record it; what is left is the move, if one is wanted."""
    work.reread()
    leaf = work.partition(action)
    if leaf.is_attached and not leaf.is_pending:
        _refuse_beside_pending(work)
        session.run(first_mark(work, leaf))
        work.begin(action)
        step = detach_steps(work.parent, work.template(), leaf, plain=not work.concurrently)
        if step.is_alone:
            _detach_concurrently(work, action, leaf, session)
        else:
            work.refuse_pinned(action)
            session.run([step])
    elif leaf.is_pending:
        work.begin(action)
        _finalize(work, leaf, session)
    _record_detached(work, action, leaf)
    return action.reason


def finalize(work: Work, action: Action, session: Session) -> str:
    """End a pending detach and record it."""
    work.reread()
    leaf = work.partition(action)
    if leaf.is_pending:
        _finalize(work, leaf, session)
    _record_detached(work, action, leaf)
    return action.reason


def _detach_concurrently(work: Work, action: Action, leaf: Partition, session: Session) -> None:
    """Detach while others use the table; where that was cut short, end it in small tries.

    It waits for those who use the parent while nobody waits for it. Then it locks the partition,
    and the targets of foreign keys, whose users would queue behind it: where that is not had
    within the lock budget, FINALIZE does the rest.
    """
    step = detach_steps(work.parent, work.template(), leaf, plain=False)
    limit = max(session.budget.wait_seconds, 1.0)

    def look() -> list[Holder]:
        found = _in_the_way(work, leaf)
        work.refuse_pinned(action)
        return found

    if session.run_alone(step, look=look, limit_seconds=limit):
        return
    work.reread()
    now_there = work.partition(action)
    if now_there.is_pending:
        _finalize(work, now_there, session)
        session.statements.append("-- ended by FINALIZE")
    elif now_there.is_attached:
        raise Deferred(f"The detach of {leaf.name} was cancelled before it began; nothing changed.")


def _finalize(work: Work, leaf: Partition, session: Session) -> None:
    session.run([finalize_step(work.parent, work.template(), leaf)])


def _in_the_way(work: Work, leaf: Partition) -> list[Holder]:
    """Return who could stop either phase: holders of the tables, and with foreign keys snapshots.

    FINALIZE, which ends what a foreign key cuts short, waits for every older snapshot.
    """
    referenced = work.template().referenced
    locks = [
        Lock(relation=work.parent, mode=ACCESS_EXCLUSIVE),
        Lock(relation=leaf, mode=ACCESS_EXCLUSIVE),
        *(Lock(relation=each, mode=SHARE_ROW_EXCLUSIVE) for each in referenced),
    ]
    found = holders_of(work.target.connection, locks)
    return [*found, *oldest_snapshots(work.target.connection)] if referenced else found


def _refuse_beside_pending(work: Work) -> None:
    pending = next((each for each in work.parent.partitions if each.is_pending), None)
    if pending is not None and work.concurrently and work.parent.default is None:
        raise Deferred(
            f"The detach of {pending.name} is pending, and the server allows one at a time."
        )


def _record_detached(work: Work, action: Action, leaf: Partition) -> None:
    row = work.row_of(leaf.oid)
    if row is None:
        return
    is_called_off = row.unfinished == ActionKind.ATTACH
    wanted = action.tablespace or ("" if is_called_off else row.wanted_tablespace)
    is_elsewhere = bool(wanted) and wanted != leaf.tablespace
    is_asked = action.is_asked or (bool(row.unfinished) and row.is_asked)
    work.settle(
        action,
        is_attached=False,
        detached_at=work.moment if leaf.is_attached else row.detached_at or work.moment,
        detach_time=None if is_asked else work.pin_of(row),
        unfinished="move" if is_elsewhere else "",
        is_asked=is_asked,
        wanted_tablespace=wanted if is_elsewhere else "",
    )
