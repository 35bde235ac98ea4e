"""Plans as values, and the input that planners make them from. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo

from pg_timepart.constants import ActionKind
from pg_timepart.findings import Finding
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.periods import Period
from pg_timepart.partitions.tables import Parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The policy of one table: a config's settings as a value, checked."""

    period: Period
    """Size of one partition."""

    zone: tzinfo
    """Where days and longer periods begin."""

    premake: int
    """How many periods are ready after the current one."""

    interval: int | None
    """How many periods stay attached; None keeps all."""

    attach_tablespace: str | None
    """Where attached partitions live; None follows the parent."""

    detach_tablespace: str | None
    """Where a partition moves after it was detached; None leaves it where it is."""

    drop_after: timedelta | None
    """Grace between detach and drop; None never drops."""

    max_retire: int
    """The fuse: a pass that would detach more detaches none."""

    keep_foreign_keys: bool
    """Whether detached partitions keep their foreign keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Facts from our log of one partition that the catalog does not have."""

    oid: int
    bounds: Bounds
    is_attached: bool
    pinned_until: datetime | None = None
    """The pin: no pass retires or drops the partition before this moment."""

    detached_at: datetime | None = None
    """When it was last detached; None while it is attached."""

    unfinished: ActionKind | None = None
    """An action that began and has not ended."""

    is_asked: bool = False
    """Whether a person asked for the unfinished action; else the policy decides anew."""

    tablespace: str | None = None
    """The tablespace to which the unfinished action moves it."""

    is_referred: bool = False
    """Whether rows of other tables referred to it when a pass last tried to detach it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanInput:
    """Input of a planner; the same input gives the same plan."""

    parent: Parent
    """The table and its partitions, as the catalog has them."""

    known: Sequence[Known] = ()
    """Facts from our logs of the partitions."""

    policy: Policy
    now: datetime
    """The moment to plan for, aware."""

    @property
    def known_by_oid(self) -> dict[int, Known]:
        """Facts from our logs, by the partition's OID."""
        return {each.oid: each for each in self.known}


_TAKING_AWAY = {ActionKind.DETACH, ActionKind.DROP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing to do to one partition."""

    kind: ActionKind
    partition: str
    """The table's name, or the planned one."""

    bounds: Bounds | None
    oid: int | None = None
    """None for a partition that does not exist yet."""

    tablespace: str | None = None
    """The tablespace, for create, attach and move."""

    reason: str
    """Why, in a few words for a person."""

    is_asked: bool = False
    """Whether a person asked for it, so that a later run ends it if this one cannot."""

    @property
    def is_new(self) -> bool:
        """Whether it makes the partition."""
        return self.oid is None

    @property
    def takes_away(self) -> bool:
        """Whether it removes rows from the table: it detaches, or drops."""
        return self.kind in _TAKING_AWAY

    @property
    def retires(self) -> bool:
        """Whether it drops, or detaches without having been asked for."""
        return self.takes_away and not (self.is_asked and self.kind is ActionKind.DETACH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Actions of one run, in order, with findings for a person."""

    actions: tuple[Action, ...] = ()
    problems: tuple[Finding, ...] = ()
    """Findings that a person must act on; the run ends ``failed`` for each of these."""

    notes: tuple[Finding, ...] = ()
    """Findings that need nobody to act."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do and nothing to report as wrong."""
        return not self.actions and not self.problems

    def without(self, left_out: Collection[Action], problem: Finding) -> Plan:
        """Return the plan without these actions and later ones on their partitions; add why."""
        stopped = {each.oid for each in left_out if not each.is_new}
        kept = (each for each in self.actions if each not in left_out and each.oid not in stopped)
        return replace(self, actions=tuple(kept), problems=(*self.problems, problem))


Planner = Callable[[PlanInput], Plan]
"""Function that makes a plan: a pass's, or that of a manual operation."""
