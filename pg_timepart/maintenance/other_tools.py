"""Refuse to plan for a table that another tool manages: each would fail on the other's work."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.findings import Code, Finding
from pg_timepart.maintenance.actions.handlers import HANDLERS
from pg_timepart.partitions.plan import Action, Plan
from pg_timepart.partitions.tables import Parent
from pg_timepart.postgres.other_tools import read_other_managers


def without_managed(plan: Plan, parent: Parent, connection: BaseDatabaseWrapper) -> Plan:
    """Return the plan without what another tool, such as pg_partman, does to the table too.

    No partition is created, not even by hand; none is retired, and none is moved unless a person
    asked. The plan gets a problem: a person must choose one of the two tools. One query, and none
    where the plan holds no such action.
    """
    left = [each for each in plan.actions if _is_left_to_it(each)]
    if not left:
        return plan
    managers = read_other_managers(connection, [parent])[parent.oid]
    at_work = [each.sentence for each in managers if each.is_at_work]
    if not at_work:
        return plan
    words = f"Nothing was created or retired ({len(left)} to do). {' '.join(at_work)}"
    return plan.without(left, Finding(Code.OTHER_TOOL, words))


def _is_left_to_it(action: Action) -> bool:
    return action.is_new or (HANDLERS[action.kind].is_rotation and not action.is_asked)
