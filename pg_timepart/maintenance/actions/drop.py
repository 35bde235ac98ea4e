"""Drop a detached table and delete its log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from pg_timepart.errors import Refused
from pg_timepart.maintenance.actions.base import Handler
from pg_timepart.maintenance.actions.unlink import unlink_steps
from pg_timepart.maintenance.clock_skew import by_earlier_clock
from pg_timepart.maintenance.executor import Session
from pg_timepart.partitions.tables import Partition
from pg_timepart.partitions.time_zones import FOR_EVER
from pg_timepart.postgres import ddl
from pg_timepart.postgres.steps import Step, unhurried
from pg_timepart.postgres.table_details import read_foreign_keys


class Drop(Handler):
    """Handler of ``drop``."""

    verb = "drop"
    past = "dropped"
    is_rotation = True

    def check(self) -> None:
        """Raise Refused while it is attached or within its grace, or where it is not ours.

        Raises Deferred where it was pinned meanwhile, unless a person asked for this.
        """
        work = self.work
        work.refuse_pinned(self.action)
        leaf, grace = work.own_partition(self.action), work.policy.drop_after
        if leaf.is_attached:
            raise Refused(f"{leaf.name} is attached: only what was detached first can be dropped.")
        log = work.log_of(leaf.oid)
        if grace and log is not None and log.detached_at:
            _refuse_within_grace(
                leaf, log.detached_at, grace, by_earlier_clock(work.now, work.parent)
            )

    def steps(self) -> Iterator[Step]:
        """Yield a step for each foreign key, whose target needs a lock, then one for the table."""
        leaf = self.work.partition(self.action)
        yield from unlink_steps(leaf, read_foreign_keys(self.work.target.connection, leaf))
        yield unhurried(leaf, f"drop {leaf.name}", ddl.drop_table(leaf))

    def perform(self, session: Session) -> str:
        """Drop the table and delete its log."""
        self.work.reread()
        self.check()
        if self.action.is_asked:
            # After a crash, the next pass decides by the config whether to drop it.
            self.work.begin(self.action)
        session.run(self.steps())
        self.work.forget(self.action)
        return self.action.reason


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
