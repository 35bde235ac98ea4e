"""Clock-skew guard: retire nothing by policy while the server's clock is ahead of this host's.

Plans are made by the server's clock. If it jumps ahead, partitions that are still needed would be
retired, and dropped after their grace. So while it is ahead of this host's clock by more than a
minute, everything that detaches or drops by policy is removed from the plan, due by both clocks or
not, and a problem says so: one comparison, and no second plan by the other clock. Partitions are
created by the server's clock all the same, since one too many does no harm. Neither does a server
that is behind, which retires late.

A grace begins by the later of the two clocks and ends by the earlier one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from pg_timepart.findings import Code, Finding
from pg_timepart.partitions.plan import Plan
from pg_timepart.partitions.tables import Parent

TOLERANCE = timedelta(minutes=1)
"""The difference up to which the clocks count as the same."""


def without_skewed(plan: Plan, parent: Parent) -> Plan:
    """Return the plan without what the policy detaches or drops, while the clocks differ.

    ``parent`` was read just before. What a person asked for stays, because the clock does not
    decide it. What is left out is a problem of the plan: a person must set a clock.
    """
    due = [each for each in plan.actions if each.takes_away and not each.is_asked]
    ahead = _ahead(parent)
    return plan.without(due, _problem(ahead, len(due))) if due and ahead > TOLERANCE else plan


def by_earlier_clock(now: datetime, parent: Parent) -> datetime:
    """Return ``now``, a moment by the server's clock, by that clock or this host's: the earlier.

    ``parent`` was read just before.
    """
    ahead = _ahead(parent)
    return now - ahead if ahead > TOLERANCE else now


def by_later_clock(now: datetime, parent: Parent) -> datetime:
    """Return ``now``, a moment by the server's clock, by that clock or this host's: the later."""
    ahead = _ahead(parent)
    return now - ahead if ahead < -TOLERANCE else now


def _ahead(parent: Parent) -> timedelta:
    """Return by how much the server's clock is ahead of this host's."""
    return parent.read_at - timezone.now()


def _problem(ahead: timedelta, count: int) -> Finding:
    seconds = timedelta(seconds=round(ahead.total_seconds()))
    return Finding(
        Code.CLOCKS_DIFFER,
        f"The clock of the server is {seconds} ahead of this host's, so {count} partition(s) that"
        " are due to be detached or dropped are left alone until both agree: set the clock that is"
        " wrong.",
    )
