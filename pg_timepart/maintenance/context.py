"""State that the actions of one run share: the table as last read, its logs, and the policy."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pg_timepart.errors import Conflict, Deferred, Refused
from pg_timepart.findings import Finding
from pg_timepart.maintenance import log_sync
from pg_timepart.maintenance.config_claims import Claim
from pg_timepart.maintenance.history import TIME_IS_UP
from pg_timepart.maintenance.target import Target
from pg_timepart.models import PartitionLog
from pg_timepart.models.database import keep
from pg_timepart.partitions.bounds import BoundLiterals, Bounds
from pg_timepart.partitions.exact_literals import literals_for
from pg_timepart.partitions.plan import Action, PlanInput, Policy
from pg_timepart.partitions.retention import is_pinned
from pg_timepart.partitions.table_details import Template
from pg_timepart.partitions.tables import Parent, Partition
from pg_timepart.postgres.table_details import read_checked_bounds, read_template
from pg_timepart.postgres.unattached_tables import objection
from pg_timepart.text import storable

ABSENT = "does not exist any more, or is attached to another table."


@dataclass(slots=True, kw_only=True)
class Work:
    """One run on one table, under its advisory lock."""

    target: Target
    policy: Policy
    parent: Parent
    logs: list[PartitionLog]
    now: datetime
    """The moment that the plan is for: when the run began."""

    latest: datetime
    """The same moment by the later of the two clocks: a grace begins no earlier."""

    begun: float = field(default_factory=time.monotonic)
    """The same moment, by ``time.monotonic``."""

    is_lock_held: Callable[[], bool] = lambda: True
    """Returns whether we still have the advisory lock; a dry run needs none."""

    concurrently: bool = True
    """Whether DETACH CONCURRENTLY, which cannot run in a transaction, may be used."""

    is_dry: bool = False
    """Whether nothing is executed: the effect of actions is assumed, not read."""

    retires_left: int | None = None
    """How many more partitions this pass may detach; None where no fuse applies."""

    rivals: tuple[Claim, ...] = ()
    """Other configs that claim the table."""

    stopped: set[int | None] = field(default_factory=set)
    """Partitions with an action that did not happen: later actions on them are left out."""

    notes: list[Finding] = field(default_factory=list)
    """Notes for the report."""

    waited_seconds: float = 0.0
    """How long the actions so far have waited for locks: a run has one limit for all."""

    known_tablespaces: frozenset[str] = frozenset()
    interruptions: tuple[type[Exception], ...] = TIME_IS_UP
    """Errors that end the run as a whole, wherever they are raised."""

    _template: Template | None = field(default=None)

    @property
    def moment(self) -> datetime:
        """The present moment, so that records of a long run have the time of each change."""
        return self.latest + timedelta(seconds=time.monotonic() - self.begun)

    def plan_input(self) -> PlanInput:
        """Return the planner's input from the table as last read; raises InvalidPolicy."""
        return self.target.plan_input(self.parent, self.logs, self.now)

    def template(self) -> Template:
        """Return the template of new partitions; read once a run."""
        if self._template is None:
            newest = max(self.parent.ranged, key=lambda each: each.oid, default=None)
            self._template = read_template(self.target.connection, self.parent, newest)
        return self._template

    def assume_no_exclusion_checks(self) -> None:
        """In a dry run, take these CHECKs as dropped, as each create and attach leaves them."""
        self._template = replace(self.template(), default_checks=())

    def after_detach(self, action: Action) -> None:
        """Take the partition as detached: read anew, or in a dry run assumed."""
        if not self.is_dry:
            self.reread()
            return
        leaf = self.partition(action)
        left = tuple(each for each in self.parent.partitions if each.oid != leaf.oid)
        off = replace(leaf, is_attached=False, is_pending=False, bounds=None, comment=None)
        others = tuple(each for each in self.parent.detached if each.oid != leaf.oid)
        self.parent = replace(self.parent, partitions=left, detached=(*others, off))

    def forget_template(self) -> None:
        """Forget the template, to be read again: CHECKs of a default partition change."""
        self._template = None

    def refresh(self) -> None:
        """Read the logs and the table anew, and update the logs from the table."""
        self.logs = self.target.logs()
        self.reread()
        self.repair()

    def repair(self, *, thoroughly: bool = False) -> list[Finding]:
        """Update the logs from the table as it was read; return what was repaired.

        ``thoroughly`` also looks for detached partitions without a log. While another config claims
        the table, its partitions get no second log and no log is deleted.
        """
        if not self.target.keeps_logs:
            return []
        found = log_sync.repairs(self.logs, self.parent, self.target, self.moment)
        if self.rivals:
            found = log_sync.undisputed(found, self.rivals)
        elif thoroughly:
            adopted, refused = log_sync.adoptions(self.logs, self.parent, self.target, self.moment)
            found += adopted
            self.notes += refused
        repaired = log_sync.save(found, self.target.config._state.db)
        if found:
            self.logs = self.target.logs()
        return repaired

    def reread(self) -> None:
        """Read the table anew, and leave the logs alone."""
        self.parent = self.target.read(self.logs)

    def log_of(self, oid: int | None) -> PartitionLog | None:
        """Return our log of this partition, if there is one."""
        return next((log for log in self.logs if log.relid == oid), None)

    def partition(self, action: Action) -> Partition:
        """Return the action's partition as last read; raises Conflict where it is gone."""
        for each in (*self.parent.partitions, *self.parent.detached):
            if each.oid == action.oid:
                return each
        raise Conflict(f"{action.partition} {ABSENT}")

    def own_partition(self, action: Action) -> Partition:
        """Return the action's partition; raises Refused for a detached one that is not ours now.

        It was given to another owner, or its comment names another table.
        """
        found = self.partition(action)
        if not found.is_attached:
            reason = objection(self.target.connection, self.parent, found)
            if reason is not None:
                raise Refused(reason)
        return found

    def sides(self, bounds: Bounds, leaf: Partition | None = None) -> BoundLiterals:
        """Return the literals of ``bounds`` for ATTACH: of a detached ``leaf``, those it had.

        They are what a CHECK says that DETACH CONCURRENTLY left, or what our comment says.
        """
        known = list[BoundLiterals | None]()
        if leaf is not None and not self.parent.is_exact:
            checked = read_checked_bounds(self.target.connection, self.parent, leaf)
            known = [*checked, leaf.literals]
        return literals_for(self.parent, bounds, self.policy.zone, *known)

    def begin(self, action: Action) -> None:
        """Record that the operation begins, so that the next pass can end it after a crash."""
        log = self.log_of(action.oid)
        if log is not None:
            keep(
                log,
                unfinished=action.kind.value,
                is_asked=action.is_asked,
                wanted_tablespace=action.tablespace or "",
            )

    def note_references(self, action: Action, why: str) -> None:
        """Record what refers to the partition and keeps it attached; nothing where it is empty."""
        log = self.log_of(action.oid)
        if log is not None and log.still_referred != why:
            keep(log, still_referred=storable(why))

    def spare_fuse(self, action: Action) -> None:
        """Raise Deferred where this pass has detached as many partitions as its fuse allows.

        The planner counts all but those that were referred to before, and may be let go at once.
        """
        if action.is_asked or self.retires_left is None:
            return
        if self.retires_left <= 0:
            raise Deferred(
                f"Nothing refers to {action.partition} any more, but this pass has detached"
                f" {self.policy.max_retire} partitions, and max_retire_per_pass allows no more; the"
                " next pass goes on."
            )

    def count_retirement(self, action: Action) -> None:
        """Count a detach by retention for the fuse."""
        if self.retires_left is not None and not action.is_asked:
            self.retires_left -= 1

    def settle(self, action: Action, **facts: object) -> None:
        """Record that the operation has ended, with these changes of the log."""
        log = self.log_of(action.oid)
        if log is not None:
            keep(log, **{"unfinished": "", **facts})

    def pin_of(self, log: PartitionLog) -> datetime | None:
        """Return the partition's pin, read anew; None where there is none, or it has passed."""
        logs = PartitionLog.objects.using(log._state.db).filter(pk=log.pk)
        found: datetime | None = logs.values_list("detach_time", flat=True).first()
        return found if is_pinned(found, self.now) else None

    def refuse_pinned(self, action: Action) -> None:
        """Raise Deferred where it was pinned meanwhile, unless a person asked for the action."""
        log = self.log_of(action.oid)
        if log is None or action.is_asked:
            return
        until = self.pin_of(log)
        if until is not None:
            raise Deferred(f"{action.partition} is pinned until {until:%Y-%m-%d %H:%M} UTC now.")

    def forget(self, action: Action) -> None:
        """Delete the log of a dropped table."""
        log = self.log_of(action.oid)
        if log is not None:
            PartitionLog.objects.using(log._state.db).filter(pk=log.pk).delete()
            self.logs.remove(log)
