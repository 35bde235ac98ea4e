"""Preview of a plan: its actions with the SQL that a pass would send and the locks it would take.

Nothing is executed but reads of the catalog. The steps are made by the same handlers that apply the
plan, for the table as it is now; where a step depends on how an earlier action ends, its note says
so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from django.db.backends.postgresql.psycopg_any import sql

from pg_timepart.constants import ActionKind
from pg_timepart.errors import TimepartError
from pg_timepart.findings import findings_as_json
from pg_timepart.maintenance.actions.base import Handler
from pg_timepart.maintenance.actions.handlers import handler_of, in_order
from pg_timepart.maintenance.context import Work
from pg_timepart.maintenance.next_plan import dry_work, plan_of
from pg_timepart.maintenance.target import Target
from pg_timepart.partitions.plan import Action, Plan
from pg_timepart.postgres.ddl import Statement
from pg_timepart.postgres.driver import as_text
from pg_timepart.postgres.lock_attempts import share_of
from pg_timepart.postgres.steps import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPreview:
    """One transaction, or one statement that cannot be in one."""

    summary: str
    locks: tuple[str, ...]
    """The locks that it takes, in this order: ``ACCESS EXCLUSIVE on schema.table``."""

    is_alone: bool
    """Whether its one statement must run outside a transaction block."""

    statements: tuple[str, ...]
    """The SQL without semicolons, BEGIN and COMMIT included, as ``psql`` takes it."""

    def as_json(self) -> dict[str, Any]:
        """Return it in JSON types only."""
        return {
            "summary": self.summary,
            "locks": list(self.locks),
            "in_transaction": not self.is_alone,
            "sql": list(self.statements),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionPreview:
    """One action of a plan with its steps."""

    action: Action
    steps: tuple[StepPreview, ...]
    note: str
    """What may turn out otherwise when it is applied; empty where nothing may."""

    def as_json(self) -> dict[str, Any]:
        """Return it in JSON types only; bounds are ISO 8601 in UTC."""
        bounds = self.action.bounds
        return {
            "action": self.action.kind.value,
            "partition": self.action.partition,
            "start": bounds.start.isoformat() if bounds and bounds.start else None,
            "end": bounds.end.isoformat() if bounds and bounds.end else None,
            "tablespace": self.action.tablespace,
            "reason": self.action.reason,
            "note": self.note,
            "steps": [each.as_json() for each in self.steps],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a pass on one model would do now."""

    label: str
    plan: Plan
    actions: tuple[ActionPreview, ...]
    """The plan's actions, in the order in which a pass takes them."""

    def as_json(self) -> dict[str, Any]:
        """Return it in JSON types only."""
        return {
            "model": self.label,
            "actions": [each.as_json() for each in self.actions],
            **findings_as_json(problems=self.plan.problems, notes=self.plan.notes),
        }


def preview_pass(target: Target, *, now: datetime | None = None) -> Preview:
    """Return what a maintenance pass would do now, with its SQL and locks; do nothing.

    Raises NotPartitioned and InvalidPolicy, which a pass would report.
    """
    work = dry_work(target, now)
    return preview_plan(work, plan_of(work, now))


def preview_plan(work: Work, plan: Plan) -> Preview:
    """Return the steps of a plan that was made for ``work``, which is of a dry run."""
    work.target.connection.ensure_connection()
    return Preview(label=work.target.label, plan=plan, actions=tuple(_previews(work, plan)))


def _previews(work: Work, plan: Plan) -> Iterator[ActionPreview]:
    """Yield the actions in order, each for the table as the ones before would leave it."""
    work.template()
    before: dict[int, ActionKind] = {}
    for action in chain.from_iterable(in_order(plan.actions)):
        handler = handler_of(work, action)
        shown, failure = _steps_of(handler)
        notes = [failure or handler.note]
        if action.oid in before:
            notes.insert(0, f"Only once the {before[action.oid]} has ended well.")
        yield ActionPreview(action=action, steps=shown, note=" ".join(filter(None, notes)))
        if failure:
            continue
        handler.assume_done()
        if action.oid is not None:
            before[action.oid] = action.kind


def _steps_of(handler: Handler) -> tuple[tuple[StepPreview, ...], str]:
    """Return the steps, and the reason why no more would follow; empty where all would."""
    shown: list[StepPreview] = []
    try:
        handler.check()
        for step in handler.steps():
            shown.append(_shown(handler.work, step))  # noqa: PERF401  # kept if the next fails
    except TimepartError as error:
        return tuple(shown), f"This would fail: {error}"
    return tuple(shown), ""


def _shown(work: Work, step: Step) -> StepPreview:
    budget_ms = work.target.lock_budget().lock_ms
    statements = step.statements if step.is_alone else tuple(_transaction(step, budget_ms))
    connection = work.target.connection
    return StepPreview(
        summary=step.summary,
        locks=tuple(
            f"{each.mode} on {each.relation.schema}.{each.relation.name}"
            for each in (*step.locks, *step.implicit_locks)
        ),
        is_alone=step.is_alone,
        statements=tuple(as_text(each, connection).strip() for each in statements),
    )


def _transaction(step: Step, budget_ms: int) -> Iterator[Statement]:
    """Yield what ``lock_attempts.bounded`` sends, as statements that ``psql`` takes too."""
    yield sql.SQL("BEGIN")
    yield _set_local("lock_timeout", f"{share_of(budget_ms, step.locks)}ms")
    if step.tablespace:
        yield _set_local("default_tablespace", step.tablespace)
    yield from step.setup
    if not step.is_unhurried:
        yield _set_local("statement_timeout", f"{budget_ms}ms")
    yield from (each.statement for each in step.locks)
    yield from step.statements
    yield sql.SQL("COMMIT")


def _set_local(name: str, value: str) -> Statement:
    setting: Statement = sql.SQL("SET LOCAL {} = {}").format(
        sql.Identifier(name), sql.Literal(value)
    )
    return setting
