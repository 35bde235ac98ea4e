"""Preview of the next pass on a table, under a config as it is stored or as it was edited."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import django.db

from pg_timepart.errors import TimepartError
from pg_timepart.findings import Code, Finding
from pg_timepart.maintenance.next_plan import dry_work, plan_of
from pg_timepart.maintenance.preview import ActionPreview, preview_plan
from pg_timepart.maintenance.target import target_named
from pg_timepart.models import PartitionConfig
from pg_timepart.partitions.plan import Action
from pg_timepart.partitions.retention import edge_of

MOST_WITH_SQL = 40
"""How many actions are shown with their statements; each costs one or two queries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """The plan of one pass."""

    actions: tuple[Action, ...] = ()
    previews: tuple[ActionPreview, ...] = ()
    """The first of these actions with their statements."""

    problems: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()
    edge: datetime | None = None
    """The edge of retention; None where all is kept."""

    @property
    def unshown(self) -> int:
        """How many actions are not among the previews."""
        return len(self.actions) - len(self.previews)


def next_pass(config: PartitionConfig) -> Upcoming:
    """Return what a pass would do now under ``config``, saved or not; only the catalog is read.

    Errors that make a plan impossible are in its ``problems``.
    """
    try:
        return _planned(config)
    except (TimepartError, django.db.Error) as error:
        problem = Finding(Code.NOT_PLANNED, " ".join(str(error).split()))
        return Upcoming(problems=(problem,))


def check(config: PartitionConfig) -> None:
    """Raise InvalidPolicy where no pass could run with ``config``, saved or not.

    A table that is missing, or cannot be read, raises nothing.
    """
    target = target_named(config.model_label, config)
    target.policy(target.read([]))


def _planned(config: PartitionConfig) -> Upcoming:
    work = dry_work(target_named(config.model_label, config))
    plan = plan_of(work)
    shown = replace(plan, actions=plan.actions[:MOST_WITH_SQL])
    return Upcoming(
        actions=plan.actions,
        previews=preview_plan(work, shown).actions,
        problems=plan.problems,
        notes=plan.notes,
        edge=edge_of(work.policy, work.now),
    )
