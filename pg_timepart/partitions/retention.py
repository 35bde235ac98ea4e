"""The edge of retention, and which edits of a config take partitions or rows away sooner. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pg_timepart.errors import InvalidPolicy
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.plan import PlanInput, Policy
from pg_timepart.partitions.tables import Partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often a schedule sends passes."""

    next_due: datetime
    shortest: timedelta
    """The shortest time between two of the next passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Terms on which passes detach partitions, and later drop them."""

    policy: Policy | None
    """None where the config cannot be used, so that no pass detaches or drops."""

    is_enabled: bool
    """Whether the schedule runs passes at all."""

    pace: Pace | None = None
    """None where the schedule never sends one, or is not what is edited."""

    @property
    def drops(self) -> bool:
        """Whether passes drop what was detached for as long as the grace says."""
        return self.policy is not None and self.policy.drop_after is not None


def edge_of(policy: Policy, now: datetime) -> datetime | None:
    """Return the end of retention at ``now``, in UTC: what ends before it is past retention.

    None where everything is kept: without an interval, and with one that begins before the year 1.
    """
    if policy.interval is None:
        return None
    try:
        return policy.period.shift(now, -policy.interval, policy.zone)
    except InvalidPolicy:
        return None


def is_past(bounds: Bounds | None, edge: datetime | None) -> bool:
    """Return whether a partition with these bounds ended before the edge of retention."""
    return bounds is not None and bounds.end is not None and edge is not None and bounds.end < edge


def is_pinned(until: datetime | None, now: datetime) -> bool:
    """Return whether a partition pinned ``until`` then is left alone by passes at ``now``."""
    return until is not None and until > now


def not_referred(given: PlanInput, retired: Sequence[Partition]) -> list[Partition]:
    """Return those that no row of another table was seen to refer to: the others stay attached.

    They do not count for the fuse, which they would blow for good. Where they are let go all at
    once, the run keeps to the fuse.
    """
    rows = given.known_by_oid
    return [each for each in retired if each.oid not in rows or not rows[each.oid].is_referred]


def taken_sooner(before: Terms, after: Terms, now: datetime) -> tuple[str, ...]:
    """Return the settings by which an edit at ``now`` detaches or drops partitions sooner.

    They are keys of ``JUDGES``; none where passes never drop, before or after the edit: a detached
    partition can be attached again then. Whether retention is shortened is judged by its edge, now
    and at the next boundary of either period, however period and interval change.
    """
    if not (before.drops or after.drops):
        return ()
    return tuple(name for name, is_sooner in JUDGES.items() if is_sooner(before, after, now))


def _is_switched_on(before: Terms, after: Terms, _now: datetime) -> bool:
    return _runs(after) and not _runs(before)


def _runs(terms: Terms) -> bool:
    return terms.is_enabled and terms.policy is not None


def _is_shortened(before: Terms, after: Terms, now: datetime) -> bool:
    old, new = before.policy, after.policy
    if new is None or new.interval is None:
        return False
    if old is None or old.interval is None:
        return True
    moments = (now, *_next_boundaries(old, now), *_next_boundaries(new, now))
    return any(_is_later(edge_of(new, each), edge_of(old, each)) for each in moments)


def _next_boundaries(policy: Policy, now: datetime) -> Iterator[datetime]:
    try:
        yield policy.period.next_boundary(now, policy.zone)
    except InvalidPolicy:  # it is outside the years 1 to 9999
        return


def _is_later(new: datetime | None, old: datetime | None) -> bool:
    return new is not None and (old is None or new > old)


def _is_grace_shortened(before: Terms, after: Terms, _now: datetime) -> bool:
    old, new = before.policy, after.policy
    if new is None or new.drop_after is None:
        return False
    return old is None or old.drop_after is None or new.drop_after < old.drop_after


def _is_fuse_raised(before: Terms, after: Terms, _now: datetime) -> bool:
    old, new = before.policy, after.policy
    return new is not None and (old is None or new.max_retire > old.max_retire)


def _is_faster(before: Terms, after: Terms, _now: datetime) -> bool:
    old, new = before.pace, after.pace
    if new is None:
        return False
    return old is None or new.next_due < old.next_due or new.shortest < old.shortest


JUDGES: dict[str, Callable[[Terms, Terms, datetime], bool]] = {
    "enabled": _is_switched_on,
    "retention": _is_shortened,
    "drop_after": _is_grace_shortened,
    "max_retire_per_pass": _is_fuse_raised,
    "schedule": _is_faster,
}
"""What to ask of an edit, by the setting. ``retention`` is what period and interval make of it."""
