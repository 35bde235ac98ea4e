"""Plans for a table that another tool manages too: what that one does by itself is left out."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.findings import Code, Finding
from pg_timepart.maintenance.actions.handlers import HANDLERS
from pg_timepart.partitions.plan import Action, Plan, PlanInput, Planner
from pg_timepart.postgres.other_tools import read_other_managers


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
        words = f"Nothing was made or retired ({len(left)} to do). {' '.join(at_work)}"
        return wanted.without(left, Finding(Code.OTHER_TOOL, words))

    return plan


def _is_left_to_it(action: Action) -> bool:
    return action.is_new or (HANDLERS[action.kind].is_rotation and not action.is_asked)
