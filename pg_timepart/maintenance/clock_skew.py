"""What is taken away must be due by two clocks: the server's, which plans, and this host's.

A server whose clock jumps ahead would else retire, and after the grace drop, what its rows' owners
still need. What is made too early harms nobody, so making room follows the server's clock alone.
And a grace begins by the later of the two, else one that was behind would have it end too early.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.utils import timezone

from pg_timepart.findings import Code, Finding
from pg_timepart.partitions.plan import Action, Plan, PlanInput, Planner
from pg_timepart.partitions.tables import Parent

CLOSE = timedelta(minutes=1)
"""Clocks that differ by no more are taken for the same."""


def cautious(planner: Planner) -> Planner:
    """Return the planner, but leaving out what is to be taken away by the server's clock alone.

    What was left out is a problem of the plan, for somebody must set a clock.
    """

    def plan(given: PlanInput) -> Plan:
        wanted = planner(given)
        earlier = surely(given.now, given.parent)
        if earlier == given.now:
            return wanted
        agreed = planner(replace(given, now=earlier)).actions
        waiting = [each for each in wanted.actions if each.takes_away and each not in agreed]
        why = _why(waiting, given.now - earlier)
        return wanted.without(waiting, why) if waiting else wanted

    return plan


def surely(now: datetime, parent: Parent) -> datetime:
    """Return the moment that it is by the server's clock and by this host's: the earlier one.

    ``now`` is the moment to plan for, and ``parent`` was read just before.
    """
    ahead = parent.read_at - timezone.now()
    return now - ahead if ahead > CLOSE else now


def at_latest(now: datetime, parent: Parent) -> datetime:
    """Return the moment that it is by the server's clock or by this host's: the later one."""
    behind = timezone.now() - parent.read_at
    return now + behind if behind > CLOSE else now


def _why(waiting: Sequence[Action], ahead: timedelta) -> Finding:
    seconds = timedelta(seconds=round(ahead.total_seconds()))
    return Finding(
        Code.CLOCKS_DIFFER,
        f"The clock of the server is {seconds} ahead of this host's, and {len(waiting)} of what it"
        " says is due to be detached or dropped is not due by this host's. That is left alone"
        " until both agree: set the clock that is wrong.",
    )
