"""Nothing is planned for a table that another tool manages: each would fail on the other's work."""

from __future__ import annotations

from dataclasses import replace

from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.constants import ActionKind
from pg_timepart.findings import Code, Finding
from pg_timepart.partitions.plan import Action, Plan, PlanInput, Planner
from pg_timepart.postgres.other_tools import read_other_managers

_OF_ONE_MANAGER = {ActionKind.CREATE, ActionKind.DETACH, ActionKind.MOVE, ActionKind.DROP}


def considerate(planner: Planner, connection: BaseDatabaseWrapper) -> Planner:
    """Return the planner, but leaving to another manager what it does by itself.

    Partitions are not made, not even by hand, and none is retired or moved that nobody asked for.
    That is a problem of the plan, for somebody must say which of the two it shall be. The database
    is asked only where there is such a thing to do.
    """

    def plan(given: PlanInput) -> Plan:
        wanted = planner(given)
        left = [each for each in wanted.actions if _is_left_to_it(each)]
        if not left:
            return wanted
        managers = read_other_managers(connection, [given.parent])[given.parent.oid]
        at_work = [each.sentence for each in managers if each.is_at_work]
        if not at_work:
            return wanted
        kept = tuple(each for each in wanted.actions if each not in left)
        words = f"Nothing was made or retired ({len(left)} to do). {' '.join(at_work)}"
        why = Finding(Code.OTHER_TOOL, words)
        return replace(wanted, actions=kept, problems=(*wanted.problems, why))

    return plan


def _is_left_to_it(action: Action) -> bool:
    if action.kind is ActionKind.CREATE:
        return True
    return action.kind in _OF_ONE_MANAGER and not action.is_asked
