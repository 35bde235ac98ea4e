"""End a pending detach: ALTER TABLE ... DETACH PARTITION ... FINALIZE."""

from __future__ import annotations

from collections.abc import Iterator

from pg_timepart.constants import ActionKind
from pg_timepart.maintenance.actions.base import Handler, Urgency
from pg_timepart.maintenance.context import Work
from pg_timepart.maintenance.executor import Session
from pg_timepart.partitions.plan import Action
from pg_timepart.partitions.table_details import Template
from pg_timepart.partitions.tables import Parent, Partition
from pg_timepart.postgres import ddl
from pg_timepart.postgres.steps import (
    ACCESS_EXCLUSIVE,
    SHARE_ROW_EXCLUSIVE,
    SHARE_UPDATE_EXCLUSIVE,
    Step,
    locked,
)
from pg_timepart.signals import post_detach_partition


class Finalize(Handler):
    """Handler of ``finalize``."""

    verb = "finish detaching"
    past = "finished detaching"
    urgency = Urgency.CLEARS_THE_WAY
    signal = post_detach_partition

    def check(self) -> None:
        """Raise Conflict where the partition is gone."""
        self.work.partition(self.action)

    def steps(self) -> Iterator[Step]:
        """Yield the step; none where the detach has ended."""
        leaf = self.work.partition(self.action)
        if leaf.is_pending:
            yield finalize_step(self.work.parent, self.work.template(), leaf)

    def perform(self, session: Session) -> str:
        """Finalize the detach and record it."""
        reason = super().perform(session)
        record_detached(self.work, self.action, self.work.partition(self.action))
        return reason

    def assume_done(self) -> None:
        """Take the partition as detached."""
        self.work.after_detach(self.action)


def finalize_step(parent: Parent, template: Template, leaf: Partition) -> Step:
    """Return the step that finalizes a detach; the leaf, which nobody uses, is locked first.

    FINALIZE waits for every older snapshot and only then locks the tables at the other ends of
    foreign keys. Were they locked before, their writers would queue all that time, and it would
    wait for the snapshots of those very writers.
    """
    return Step(
        summary=f"finalize the pending detach of {leaf.name}",
        locks=(*locked([leaf], ACCESS_EXCLUSIVE), *locked([parent], SHARE_UPDATE_EXCLUSIVE)),
        implicit_locks=(
            *locked(template.referenced, SHARE_ROW_EXCLUSIVE),
            *locked(template.referring, ACCESS_EXCLUSIVE),
        ),
        awaits_snapshots=True,
        statements=(ddl.finalize(parent, leaf),),
    )


def record_detached(work: Work, action: Action, before: Partition) -> None:
    """Record a detach that has ended; ``before`` is the partition as it was.

    What is left is the move, if one is wanted.
    """
    log = work.log_of(before.oid)
    if log is None:
        return
    is_called_off = log.unfinished == ActionKind.ATTACH
    wanted = action.tablespace or ("" if is_called_off else log.wanted_tablespace)
    is_elsewhere = bool(wanted) and wanted != before.tablespace
    is_asked = action.is_asked or (bool(log.unfinished) and log.is_asked)
    work.settle(
        action,
        is_attached=False,
        detached_at=work.moment if before.is_attached else log.detached_at or work.moment,
        detach_time=None if is_asked else work.pin_of(log),
        unfinished=ActionKind.MOVE.value if is_elsewhere else "",
        is_asked=is_asked,
        wanted_tablespace=wanted if is_elsewhere else "",
        still_referred="",
    )
