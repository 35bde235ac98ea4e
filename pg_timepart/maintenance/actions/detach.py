"""Detach a partition: concurrently where PostgreSQL lets it, else in a short transaction."""

from __future__ import annotations

from collections.abc import Iterator

from pg_timepart.errors import Deferred
from pg_timepart.maintenance.actions.base import Handler
from pg_timepart.maintenance.actions.finalize import finalize_step, record_detached
from pg_timepart.maintenance.actions.references import references_named, refuse_referred
from pg_timepart.maintenance.comments import comment_before_detach
from pg_timepart.maintenance.context import Work
from pg_timepart.maintenance.executor import Session
from pg_timepart.partitions.table_details import Template
from pg_timepart.partitions.tables import Parent, Partition
from pg_timepart.postgres import ddl
from pg_timepart.postgres.lock_holders import Holder, holders_of, oldest_snapshots
from pg_timepart.postgres.steps import (
    ACCESS_EXCLUSIVE,
    SHARE_ROW_EXCLUSIVE,
    SHARE_UPDATE_EXCLUSIVE,
    Step,
    default_of,
    in_lock_order,
    lockable,
    locked,
    not_lockable,
)
from pg_timepart.signals import post_detach_partition

_MAY_BE_CANCELLED = (
    "Waits until no transaction is left that has used the table. If that takes too long, it is"
    " cancelled and ended by ALTER TABLE ... DETACH PARTITION ... FINALIZE."
)


class Detach(Handler):
    """Handler of ``detach``."""

    verb = "detach"
    past = "detached"
    signal = post_detach_partition
    is_rotation = True

    @property
    def note(self) -> str:
        """Return that a concurrent detach can be interrupted."""
        return _MAY_BE_CANCELLED if is_concurrent(self.work) else ""

    def check(self) -> None:
        """Raise Conflict where the partition is gone, and Deferred beside a pending detach.

        Where rows of other tables refer to it: StillReferred, or Conflict if a person asked.
        """
        leaf = self.work.partition(self.action)
        if leaf.is_attached and not leaf.is_pending:
            _refuse_beside_pending(self.work)
            refuse_referred(self.work, self.action, leaf)

    def steps(self) -> Iterator[Step]:
        """Yield the steps; none where the partition is detached already."""
        work, leaf = self.work, self.work.partition(self.action)
        if leaf.is_pending:
            yield finalize_step(work.parent, work.template(), leaf)
        elif leaf.is_attached:
            yield from comment_before_detach(work, leaf)
            yield detach_step(work.parent, work.template(), leaf, concurrently=is_concurrent(work))

    def perform(self, session: Session) -> str:
        """Detach the partition and record it; a wanted move stays recorded for later."""
        self.work.reread()
        self.check()
        leaf = self.work.partition(self.action)
        if leaf.is_attached:
            self.work.begin(self.action)
        if leaf.is_attached and not leaf.is_pending:
            self.work.refuse_pinned(self.action)
            self.work.spare_fuse(self.action)
        with references_named(self.work, self.action, leaf):
            for step in self.steps():
                if step.is_alone:
                    self._detach_concurrently(step, leaf, session)
                else:
                    session.run([step])
        record_detached(self.work, self.action, leaf)
        self.work.count_retirement(self.action)
        return self.action.reason

    def assume_done(self) -> None:
        """Take the partition as detached."""
        self.work.after_detach(self.action)

    def _detach_concurrently(self, step: Step, leaf: Partition, session: Session) -> None:
        """Detach concurrently; where that was interrupted, finalize in short transactions.

        DETACH CONCURRENTLY waits for the transactions that use the parent, with no query queued
        behind it. Then it locks the partition and the tables at the other ends of foreign keys,
        whose users would queue: where these locks are not had within the lock budget, FINALIZE does
        the rest. Tables that refer to the partition are locked before too, while they are searched:
        where that is cut short, nothing has changed, and it is tried again.
        """
        work = self.work

        def find_holders() -> list[Holder]:
            found = _in_the_way(work, leaf)
            work.refuse_pinned(self.action)
            return found

        def is_untouched() -> bool:
            work.reread()
            found = work.partition(self.action)
            has_begun = found.is_pending or not found.is_attached
            return bool(work.template().referring) and not has_begun

        limit = max(session.budget.wait_seconds, 1.0)
        if session.run_alone(
            step, find_holders=find_holders, limit_seconds=limit, may_repeat=is_untouched
        ):
            return
        work.reread()
        left = work.partition(self.action)
        if left.is_pending:
            session.run([finalize_step(work.parent, work.template(), left)])
            session.statements.append("-- ended by FINALIZE")
        elif left.is_attached:
            raise Deferred(
                f"The detach of {leaf.name} was cancelled before it began; nothing changed."
            )


def is_concurrent(work: Work) -> bool:
    """Return whether DETACH CONCURRENTLY is used; a default partition rules it out."""
    return work.concurrently and work.parent.default is None


def detach_step(parent: Parent, template: Template, leaf: Partition, *, concurrently: bool) -> Step:
    """Return the step that detaches."""
    if not concurrently:
        return Step(
            summary=f"detach {leaf.name} in a transaction",
            locks=(
                *in_lock_order(
                    parent,
                    ACCESS_EXCLUSIVE,
                    (
                        *locked(template.referenced, SHARE_ROW_EXCLUSIVE),
                        *locked(lockable(template.referring), ACCESS_EXCLUSIVE),
                    ),
                ),
                *locked([*default_of(parent), leaf], ACCESS_EXCLUSIVE),
            ),
            implicit_locks=locked(not_lockable(template.referring), ACCESS_EXCLUSIVE),
            # The checks of rows that are deleted from it would be lost with its triggers.
            altered=(leaf,) if template.referring else (),
            statements=(ddl.detach(parent, leaf),),
        )
    return Step(
        summary=f"detach {leaf.name} concurrently",
        implicit_locks=(
            *locked([parent], SHARE_UPDATE_EXCLUSIVE),
            *locked([leaf], ACCESS_EXCLUSIVE),
            *locked(template.referenced, SHARE_ROW_EXCLUSIVE),
            # SHARE while it searches for rows that refer to the leaf, and then this.
            *locked(template.referring, ACCESS_EXCLUSIVE),
        ),
        statements=(ddl.detach_concurrently(parent, leaf),),
        is_alone=True,
    )


def _in_the_way(work: Work, leaf: Partition) -> list[Holder]:
    """Return who blocks either phase: holders of the tables and, with foreign keys, of snapshots.

    FINALIZE, which ends what a foreign key cuts short, waits for every older snapshot.
    """
    connection, template = work.target.connection, work.template()
    locks = (
        *locked([work.parent, leaf], ACCESS_EXCLUSIVE),
        *locked(template.referenced, SHARE_ROW_EXCLUSIVE),
        *locked(template.referring, ACCESS_EXCLUSIVE),
    )
    found = holders_of(connection, locks)
    has_keys = template.referenced or template.referring
    return [*found, *oldest_snapshots(connection)] if has_keys else found


def _refuse_beside_pending(work: Work) -> None:
    pending = next((each for each in work.parent.partitions if each.is_pending), None)
    if pending is not None and is_concurrent(work):
        raise Deferred(
            f"The detach of {pending.name} is pending, and the server allows one at a time."
        )
