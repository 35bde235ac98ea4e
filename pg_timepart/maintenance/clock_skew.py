"""Clock-skew guard: retire nothing by policy while the server's clock is ahead of this host's.

The server's clock plans. If it jumps ahead, it would retire partitions, and drop them after their
grace, that are still needed. So while it is ahead of this host's clock by more than a minute, a
plan loses whatever takes away, due by both clocks or not, and says so: one comparison, and no
second plan by the other clock. Creating follows the server's clock all the same, for a partition
too many harms nobody. A server that is behind retires late, which harms nobody either.

A grace begins by the later of the two clocks and ends by the earlier one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from pg_timepart.findings import Code, Finding
from pg_timepart.partitions.plan import Plan
from pg_timepart.partitions.tables import Parent

TOLERANCE = timedelta(minutes=1)
"""Clocks that differ by no more count as the same."""


def without_skewed(plan: Plan, parent: Parent) -> Plan:
    """Return the plan without what the policy takes away, while the clocks differ.

    ``parent`` was read just before. What a person asked for stays, for the clock does not decide
    it. What is left out is a problem of the plan: somebody must set a clock.
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
