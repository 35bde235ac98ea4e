"""Expected state of the table: the model that the state machine compares the server with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.plan import Policy
from proof.drift.observed_tables import Table, TableSnapshot


@dataclass(slots=True, kw_only=True)
class ExpectedState:
    """What was accepted, and what we were told about each table, by its OID."""

    rows: dict[int, datetime] = field(default_factory=dict)
    """Every row that the server took and nobody asked to remove, with its moment."""

    pins: dict[int, datetime] = field(default_factory=dict)
    """Not to be retired before this moment."""

    since: dict[int, datetime] = field(default_factory=dict)
    """The earliest moment from which the grace before a drop can count."""

    bounds: dict[int, Bounds] = field(default_factory=dict)
    """The bounds that a run of ours saw last while the table was attached."""

    unsure: set[int] = field(default_factory=set)
    """Tables whose row of ours was lost or spoiled, so that pin and bounds may be lost too."""

    def forget(self, values: Iterable[int]) -> None:
        """Take out rows that somebody asked to remove."""
        for each in values:
            del self.rows[each]

    def doubt(self, oid: int) -> None:
        """Expect nothing any more that only our row could know."""
        self.unsure.add(oid)
        self.pins.pop(oid, None)
        self.bounds.pop(oid, None)

    def is_left(self, oid: int, now: datetime) -> None:
        """Note that a table was detached, by whomever."""
        self.since.setdefault(oid, now)

    def is_detached_by_us(self, oid: int, now: datetime) -> None:
        """Note that a table was detached by us, which ends its pin."""
        self.is_left(oid, now)
        self.pins.pop(oid, None)

    def is_seen(self, there: TableSnapshot) -> None:
        """Note what a run of ours has seen, and so recorded."""
        for each in there.ranged:
            if each.bounds is not None:
                self.bounds[each.oid] = each.bounds
                self.since.pop(each.oid, None)

    def is_past_grace(self, oid: int, grace: timedelta | None, now: datetime) -> bool:
        """Return whether the table may be dropped; without a grace, when asked for."""
        if not grace:
            return True
        return oid in self.since and self.since[oid] + grace <= now


def expired(there: TableSnapshot, policy: Policy, now: datetime) -> list[Table]:
    """Return what is past retention, judged by its end alone."""
    if policy.interval is None:
        return []
    edge = policy.period.shift(now, -policy.interval, policy.zone)
    return [each for each in there.firm if each.bounds and _ended_before(each.bounds, edge)]


def window(policy: Policy, now: datetime) -> tuple[datetime, datetime]:
    """Return what must be covered: the current period and the next ``premake``."""
    start = policy.period.bounds_at(now, policy.zone).start
    assert start is not None
    end = policy.period.next_boundary(now, policy.zone)
    for _ in range(policy.premake):
        end = policy.period.next_boundary(end, policy.zone)
    return start, end


def holes(
    tables: Iterable[Table], start: datetime, end: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield what of ``[start, end)`` none of the tables covers."""
    sides = [each.bounds for each in tables if each.bounds is not None]
    ends = {each.end for each in sides if each.end is not None and start < each.end < end}
    begins = {each.start for each in sides if each.start is not None and start < each.start < end}
    cuts = sorted({start, end, *ends, *begins})
    open_since: datetime | None = None
    for moment in cuts[:-1]:
        is_covered = any(each.contains(moment) for each in sides)
        if is_covered and open_since is not None:
            yield open_since, moment
            open_since = None
        elif not is_covered and open_since is None:
            open_since = moment
    if open_since is not None:
        yield open_since, end


def span(there: TableSnapshot) -> tuple[datetime, datetime] | None:
    """Return the first and the last moment that a partition names, or None."""
    sides = [each.bounds for each in there.ranged if each.bounds is not None]
    moments = [side for each in sides for side in (each.start, each.end) if side is not None]
    return (min(moments), max(moments)) if moments else None


def _ended_before(bounds: Bounds, moment: datetime) -> bool:
    return bounds.end is not None and bounds.end < moment
