"""Planners: make a plan from the catalog, our logs, the policy and the moment. Pure.

A dry run prints this plan, the admin previews it, and a pass applies it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain, islice

from pg_timepart.constants import ActionKind
from pg_timepart.errors import InvalidPolicy
from pg_timepart.findings import Code, Finding
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.coverage import covering, uncovered
from pg_timepart.partitions.key_limits import key_limits, within_key
from pg_timepart.partitions.names import free_name, partition_name
from pg_timepart.partitions.plan import Action, Known, Plan, PlanInput, Policy
from pg_timepart.partitions.recovery import (
    after_detach,
    finalizations,
    interrupted,
    releases,
    unlinkings,
)
from pg_timepart.partitions.retention import edge_of, is_past, is_pinned, not_referred
from pg_timepart.partitions.tables import Parent, Partition
from pg_timepart.partitions.time_zones import in_utc

MAX_CREATE = 2_000
"""Most partitions that one plan may create: above the largest premake; more is a mistake."""

MAX_DAYS = 36_525
"""A hundred years."""


def plan_pass(given: PlanInput) -> Plan:
    """Return the plan of one maintenance pass."""
    creates, problems = _ahead(given)
    retired = _expired(given)
    free = not_referred(given, retired)
    if len(free) > given.policy.max_retire:
        problems = (*problems, _fuse(free, given.policy))
        retired = []
    drops = list(_drops(given))
    actions = chain(
        releases(given.parent),
        finalizations(given),
        unlinkings(given, leaving=(each.oid for each in drops)),
        interrupted(given),
        creates,
        _retirements(given, retired),
        drops,
    )
    return Plan(actions=tuple(actions), problems=problems, notes=_notes(given.parent))


def plan_provision(given: PlanInput) -> Plan:
    """Return the creates that give partitions for now and ``premake`` periods ahead; no more."""
    creates, problems = _ahead(given)
    return Plan(actions=creates, problems=problems, notes=_notes(given.parent))


def plan_next(given: PlanInput, days: object) -> Plan:
    """Return creates of the next partitions until the newest ends more than ``days`` from now.

    0 is exactly the next one. A partition starts where the newest ends and ends at the next
    boundary of the current period; where there is none yet, the first is the period around now.
    """
    if type(days) is not int or not 0 <= days <= MAX_DAYS:
        raise InvalidPolicy(f"Days to the next partition must be 0 to {MAX_DAYS}, not {days!r}.")
    pieces = list(islice(within_key(given.parent, _following(given, days)), MAX_CREATE + 1))
    _refuse_too_many(len(pieces))
    wanted = Bounds(start=given.now, end=given.now + timedelta(days=days))
    notes = (*_notes(given.parent), *key_limits(given.parent, wanted))
    return Plan(actions=_creates(given, pieces, "asked for"), notes=notes)


def plan_range(given: PlanInput, start: datetime, end: datetime) -> Plan:
    """Return creates of the partitions missing in ``[start, end)``, widened to whole periods."""
    if not in_utc(start) < in_utc(end):
        raise InvalidPolicy(f"The range must end after it starts: {start} is not before {end}.")
    for limit in key_limits(given.parent, Bounds(start=start, end=end)):
        raise InvalidPolicy(str(limit))
    policy = given.policy
    first = policy.period.bounds_at(start, policy.zone).start or start
    last = policy.period.bounds_at(end - timedelta(microseconds=1), policy.zone).end or end
    pieces = _pieces(given, first, last)
    return Plan(actions=_creates(given, pieces, "asked for"), notes=_notes(given.parent))


def plan_retirement(given: PlanInput) -> Plan:
    """Return detaches of all partitions whose end is before now minus ``interval`` periods."""
    actions = chain(finalizations(given), unlinkings(given), _retirements(given, _expired(given)))
    return Plan(actions=tuple(actions))


def plan_detach(given: PlanInput, partitions: Iterable[Partition]) -> Plan:
    """Return detaches of these partitions, with their follow-up actions."""
    actions = _retirements(given, partitions, "asked for")
    return Plan(actions=tuple(replace(each, is_asked=True) for each in actions))


def plan_attach(given: PlanInput, partitions: Iterable[tuple[Partition, Bounds]]) -> Plan:
    """Return attaches of these detached tables with these bounds."""
    return Plan(
        actions=tuple(
            Action(
                kind=ActionKind.ATTACH,
                partition=each.name,
                bounds=bounds,
                oid=each.oid,
                tablespace=given.policy.attach_tablespace,
                reason="asked for",
            )
            for each, bounds in partitions
        )
    )


def _ahead(given: PlanInput) -> tuple[tuple[Action, ...], tuple[Finding, ...]]:
    policy = given.policy
    current = policy.period.bounds_at(given.now, policy.zone)
    assert current.start is not None  # noqa: S101
    assert current.end is not None  # noqa: S101
    horizon = current.end
    for _ in range(policy.premake):
        horizon = policy.period.next_boundary(horizon, policy.zone)
    start = _resume(given, current.start)
    problems = [*key_limits(given.parent, Bounds(start=given.now, end=horizon))]
    try:
        pieces = _pieces(given, start, horizon)
    except InvalidPolicy as error:
        pieces = _pieces(given, current.start, horizon)
        problems.append(Finding(Code.TOO_MANY_TO_CREATE, str(error)))
    return _creates(given, pieces, "room ahead"), tuple(problems)


def _resume(given: PlanInput, current: datetime) -> datetime:
    """Return where the next partition starts: the newest end, even after a long pause."""
    ends = [each.end or current for each in covering(given.parent.partitions)]
    # A partition that ends before the year 1 is for -infinity, and not one to continue from.
    newest = max((end for end in ends if end.year > 1), default=current)
    oldest_kept = _oldest_kept(given)
    return min(newest if oldest_kept is None else max(newest, oldest_kept), current)


def _oldest_kept(given: PlanInput) -> datetime | None:
    """Return the start of the oldest period to keep; None where that is before the year 1."""
    policy, edge = given.policy, edge_of(given.policy, given.now)
    try:
        return None if edge is None else policy.period.bounds_at(edge, policy.zone).start
    except InvalidPolicy:
        return None


def _pieces(given: PlanInput, start: datetime, end: datetime) -> list[Bounds]:
    policy, found = given.policy, list[Bounds]()
    for gap in uncovered(given.parent.partitions, start, end):
        for piece in policy.period.cut(gap.start or start, gap.end or end, policy.zone):
            found += within_key(given.parent, [piece])
            _refuse_too_many(len(found), start, end)
    return found


def _refuse_too_many(
    count: int, start: datetime | None = None, end: datetime | None = None
) -> None:
    if count > MAX_CREATE:
        between = f" between {start} and {end}" if start and end else ""
        raise InvalidPolicy(
            f"More than {MAX_CREATE} partitions are missing{between}: create them in smaller"
            " ranges (timepart create --from ... --to ...) or choose a longer period."
        )


def _following(given: PlanInput, days: int) -> Iterator[Bounds]:
    policy, now, bounds = given.policy, given.now, covering(given.parent.partitions)
    goal = now + timedelta(days=days)
    if not bounds:
        first = policy.period.bounds_at(now, policy.zone)
        yield first
        newest = first.end
        if days == 0:
            return
    elif any(each.end is None for each in bounds):
        return
    else:
        newest = max(each.end for each in bounds if each.end is not None)
        if days == 0:
            yield Bounds(start=newest, end=policy.period.next_boundary(newest, policy.zone))
            return
    while newest is not None and newest <= goal:
        end = policy.period.next_boundary(newest, policy.zone)
        yield Bounds(start=newest, end=end)
        newest = end


def _creates(given: PlanInput, pieces: Iterable[Bounds], reason: str) -> tuple[Action, ...]:
    parent, policy = given.parent, given.policy
    elsewhere, taken = parent.names_elsewhere, parent.names

    def named(bounds: Bounds) -> str:
        """Return the name of a new partition; never one that a partition in another schema has."""
        name = partition_name(parent.name, bounds, policy.zone)
        return free_name(name, taken) if name in elsewhere else name

    return tuple(
        Action(
            kind=ActionKind.CREATE,
            partition=named(bounds),
            bounds=bounds,
            tablespace=policy.attach_tablespace or parent.tablespace,
            reason=reason,
        )
        for bounds in pieces
    )


def _expired(given: PlanInput) -> list[Partition]:
    """Return partitions that are past retention, judged by their own ends alone."""
    edge, rows = edge_of(given.policy, given.now), given.known_by_oid
    if edge is None:
        return []
    return [
        each
        for each in given.parent.ranged
        if _is_expired(each, rows.get(each.oid), edge, given.now)
    ]


def _is_expired(partition: Partition, row: Known | None, edge: datetime, now: datetime) -> bool:
    if partition.is_pending:
        return False
    if row is not None and row.unfinished is ActionKind.DETACH and row.is_asked:
        return False
    if row is not None and is_pinned(row.pinned_until, now):
        return False
    return is_past(partition.bounds, edge)


def _fuse(retired: Sequence[Partition], policy: Policy) -> Finding:
    return Finding(
        Code.TOO_MANY_TO_DETACH,
        f"{len(retired)} partitions are past retention, more than the {policy.max_retire} that one"
        " pass may detach, so none was detached. If the interval is right, run `timepart detach"
        " --expired` for this model or raise its max_retire_per_pass.",
    )


def _retirements(
    given: PlanInput, retired: Iterable[Partition], reason: str = "past retention"
) -> Iterator[Action]:
    tablespace = given.policy.detach_tablespace
    for each in retired:
        action = Action(
            kind=ActionKind.DETACH,
            partition=each.name,
            bounds=each.bounds,
            oid=each.oid,
            tablespace=tablespace,
            reason=reason,
        )
        yield action
        yield from after_detach(action, given, each, tablespace)


def _drops(given: PlanInput) -> Iterator[Action]:
    grace, rows = given.policy.drop_after, given.known_by_oid
    if grace is None:
        return
    for each in given.parent.detached:
        row = rows.get(each.oid)
        if row is None or row.unfinished is not None or row.detached_at is None:
            continue
        if is_pinned(row.pinned_until, given.now):
            continue
        if given.now - row.detached_at >= grace:  # a sum could be past the year 9999
            yield Action(
                kind=ActionKind.DROP,
                partition=each.name,
                bounds=row.bounds,
                oid=each.oid,
                reason=f"detached longer ago than {grace}",
            )


def _notes(parent: Parent) -> tuple[Finding, ...]:
    if parent.default is None:
        return ()
    note = Finding(
        Code.DEFAULT_PARTITION,
        f"{parent.default.name} is a default partition: while it exists, every create and detach"
        " needs a brief exclusive lock on it, and rows in it can prevent both.",
    )
    return (note,)
