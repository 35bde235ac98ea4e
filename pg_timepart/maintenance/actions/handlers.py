"""Handlers by kind of action, and the order in which a plan's actions are taken."""

from __future__ import annotations

from collections.abc import Iterable

from pg_timepart.constants import ActionKind
from pg_timepart.maintenance.actions.attach import Attach
from pg_timepart.maintenance.actions.base import Handler, Urgency
from pg_timepart.maintenance.actions.create import Create
from pg_timepart.maintenance.actions.detach import Detach
from pg_timepart.maintenance.actions.drop import Drop
from pg_timepart.maintenance.actions.finalize import Finalize
from pg_timepart.maintenance.actions.move import Move
from pg_timepart.maintenance.actions.release import Release
from pg_timepart.maintenance.actions.truncate import Truncate
from pg_timepart.maintenance.actions.unlink import Unlink
from pg_timepart.maintenance.context import Work
from pg_timepart.partitions.plan import Action

HANDLERS: dict[ActionKind, type[Handler]] = {
    ActionKind.RELEASE: Release,
    ActionKind.FINALIZE: Finalize,
    ActionKind.CREATE: Create,
    ActionKind.DETACH: Detach,
    ActionKind.UNLINK: Unlink,
    ActionKind.ATTACH: Attach,
    ActionKind.MOVE: Move,
    ActionKind.DROP: Drop,
    ActionKind.TRUNCATE: Truncate,
}


def handler_of(work: Work, action: Action) -> Handler:
    """Return the handler of one action of a run."""
    return HANDLERS[action.kind](work, action)


def in_order(actions: Iterable[Action]) -> list[list[Action]]:
    """Return the actions in groups, the most urgent first; each group keeps the plan's order."""
    groups: dict[Urgency, list[Action]] = {}
    for each in actions:
        groups.setdefault(HANDLERS[each.kind].urgency, []).append(each)
    return [groups[urgency] for urgency in sorted(groups)]
