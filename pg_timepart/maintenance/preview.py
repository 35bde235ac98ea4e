"""What a pass would do, down to its statements: a plan printed rather than applied.

Nothing is executed but reads of the catalog. The statements come from the same ``procedures`` that
a pass runs, for the table as it is now. What depends on how an earlier action ends says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Any

from django.db.backends.postgresql.psycopg_any import sql

from pg_timepart import conf
from pg_timepart.constants import ActionKind
from pg_timepart.findings import findings_as_json
from pg_timepart.maintenance.actions.comment import first_mark
from pg_timepart.maintenance.actions.create import places
from pg_timepart.maintenance.actions.default_partition import release_step
from pg_timepart.maintenance.context import Work
from pg_timepart.maintenance.next_plan import look, plan_of
from pg_timepart.maintenance.run import in_order
from pg_timepart.maintenance.target import Target
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.plan import Action, Plan
from pg_timepart.partitions.tables import Partition, Relation
from pg_timepart.postgres.action_steps import (
    ACCESS_EXCLUSIVE,
    SHARE_ROW_EXCLUSIVE,
    SHARE_UPDATE_EXCLUSIVE,
    attach_steps,
    create_steps,
    detach_steps,
    drop_steps,
    finalize_step,
    finish_leaf_steps,
    move_steps,
    truncate_steps,
    unlink_steps,
)
from pg_timepart.postgres.alignment import alignment_steps, read_alignment, unlike
from pg_timepart.postgres.ddl import Lock, Statement
from pg_timepart.postgres.driver import as_text
from pg_timepart.postgres.lock_attempts import share_of
from pg_timepart.postgres.steps import Step
from pg_timepart.postgres.table_comments import comment_for
from pg_timepart.postgres.table_details import read_foreign_keys, read_leaf
from pg_timepart.postgres.unattached_tables import objection, peculiarity

_CANCELLED = (
    "Waits until no transaction is left that has used the table. If that takes too long, it is"
    " cancelled and ended by ALTER TABLE ... DETACH PARTITION ... FINALIZE."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPreview:
    """One transaction, or one statement that cannot be in one."""

    summary: str
    locks: tuple[str, ...]
    """What it locks, in this order: ``ACCESS EXCLUSIVE on schema.table``."""

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
    work = look(target, now)
    return preview_plan(work, plan_of(work, now))


def preview_plan(work: Work, plan: Plan) -> Preview:
    """Return the statements of a plan that was made for ``work``."""
    work.target.connection.ensure_connection()
    return Preview(label=work.target.label, plan=plan, actions=tuple(_previews(work, plan)))


def _previews(work: Work, plan: Plan) -> Iterator[ActionPreview]:
    """Yield the actions in order, each for the table as the ones before would leave it."""
    work.template()
    before: dict[int, ActionKind] = {}
    for action in chain.from_iterable(in_order(plan.actions)):
        reason = _refusal(work, action)
        if reason is not None:
            yield ActionPreview(action=action, steps=(), note=f"This would fail: {reason}")
            continue
        steps, note = _PREVIEWERS[action.kind](work, action)
        shown = tuple(_shown(work, each, action) for each in steps)
        if action.oid in before:
            note = f"Only once the {before[action.oid]} has ended well. {note}".rstrip()
        yield ActionPreview(action=action, steps=shown, note=note)
        if action.oid is not None:
            before[action.oid] = action.kind
        _go_on(work, action)


def _refusal(work: Work, action: Action) -> str | None:
    """Return why nothing would be done to a detached partition, or None."""
    if action.oid is None or work.partition(action).is_attached:
        return None
    connection, leaf = work.target.connection, work.partition(action)
    reason = objection(connection, work.parent, leaf)
    if reason is None and action.kind is ActionKind.ATTACH:
        return peculiarity(connection, work.parent, leaf)
    return reason


def _go_on(work: Work, action: Action) -> None:
    """Go on as if the action had ended well."""
    if action.kind in (ActionKind.RELEASE, ActionKind.CREATE, ActionKind.ATTACH):
        work.assume(replace(work.template(), default_checks=()))
    elif action.kind in (ActionKind.DETACH, ActionKind.FINALIZE):
        _take_off(work, work.partition(action))


def _take_off(work: Work, leaf: Partition) -> None:
    left = tuple(each for each in work.parent.partitions if each.oid != leaf.oid)
    off = replace(leaf, is_attached=False, is_pending=False, bounds=None, comment=None)
    work.parent = replace(work.parent, partitions=left, detached=(*work.parent.detached, off))


def _shown(work: Work, step: Step, action: Action) -> StepPreview:
    locks = _locks_of_concurrent_detach(work, action) if step.is_alone else step.locks
    statements = step.statements if step.is_alone else tuple(_transaction(step, locks))
    connection = work.target.connection
    return StepPreview(
        summary=step.summary,
        locks=tuple(
            f"{each.mode} on {each.relation.schema}.{each.relation.name}"
            for each in (*locks, *step.watched)
        ),
        is_alone=step.is_alone,
        statements=tuple(as_text(each, connection).strip() for each in statements),
    )


def _locks_of_concurrent_detach(work: Work, action: Action) -> tuple[Lock, ...]:
    """Return what the server takes by itself, in its second phase."""
    return (
        Lock(relation=work.parent, mode=SHARE_UPDATE_EXCLUSIVE),
        Lock(relation=work.partition(action), mode=ACCESS_EXCLUSIVE),
        *(Lock(relation=each, mode=SHARE_ROW_EXCLUSIVE) for each in work.template().referenced),
    )


def _transaction(step: Step, locks: tuple[Lock, ...]) -> Iterator[Statement]:
    """Yield what ``locks.bounded`` sends, as statements that ``psql`` takes too."""
    budget_ms = conf.options().LOCK_BUDGET_MS
    yield sql.SQL("BEGIN")
    yield _set_local("lock_timeout", f"{share_of(budget_ms, locks)}ms")
    if step.tablespace:
        yield _set_local("default_tablespace", step.tablespace)
    yield from step.setup
    if not step.is_unhurried:
        yield _set_local("statement_timeout", f"{budget_ms}ms")
    yield from (each.statement for each in locks)
    yield from step.statements
    yield sql.SQL("COMMIT")


def _set_local(name: str, value: str) -> Statement:
    setting: Statement = sql.SQL("SET LOCAL {} = {}").format(
        sql.Identifier(name), sql.Literal(value)
    )
    return setting


def _bounds(action: Action) -> Bounds:
    assert action.bounds is not None  # noqa: S101
    return action.bounds


def _create(work: Work, action: Action) -> tuple[list[Step], str]:
    bounds = _bounds(action)
    parent, template, sides = work.parent, work.template(), work.sides(bounds)
    place = next(places(work, action), None)
    if place is None:
        return [], "Too many names like this are taken: this would fail."
    note = f"{place.note}." if place.note else ""
    if place.unfinished is not None:
        return list(finish_leaf_steps(parent, template, place.unfinished, sides)), (
            f"{note} An interrupted run made this table. If it holds rows, it is left alone and the"
            " new partition gets another name."
        ).strip()
    leaf = Relation(oid=0, schema=parent.schema, name=place.name)
    tablespace = action.tablespace or parent.tablespace or parent.home
    comment = comment_for(work.target.label, parent, bounds)
    return list(create_steps(parent, template, leaf, sides, comment, tablespace)), note


def _release(work: Work, action: Action) -> tuple[list[Step], str]:
    default = work.partition(action)
    return [release_step(default, default.promises)], ""


def _finalize(work: Work, action: Action) -> tuple[list[Step], str]:
    leaf = work.partition(action)
    return [finalize_step(work.parent, work.template(), leaf)], ""


def _detach(work: Work, action: Action) -> tuple[list[Step], str]:
    leaf = work.partition(action)
    step = detach_steps(work.parent, work.template(), leaf, plain=False)
    notes = [_CANCELLED] if step.is_alone else []
    return [*first_mark(work, leaf), step], " ".join(notes)


def _attach(work: Work, action: Action) -> tuple[list[Step], str]:
    ending: list[Step] = []
    if work.partition(action).is_pending:
        ending, _ = _finalize(work, action)
        _take_off(work, work.partition(action))
    leaf, sides = work.partition(action), work.sides(_bounds(action))
    tablespace = action.tablespace or work.parent.tablespace or leaf.tablespace
    moves = move_steps(leaf, tablespace) if tablespace != leaf.tablespace else ()
    alignment = read_alignment(work.target.connection, work.parent, leaf)
    if alignment.obstacles:
        return ending, f"This would fail: {unlike(leaf, alignment.obstacles)}"
    details = read_leaf(work.target.connection, work.parent, leaf, sides)
    attaching = attach_steps(work.parent, work.template(), details, sides, tablespace)
    return [*ending, *moves, *alignment_steps(leaf, alignment), *attaching], ""


def _move(work: Work, action: Action) -> tuple[list[Step], str]:
    assert action.tablespace is not None  # noqa: S101
    return list(move_steps(work.partition(action), action.tablespace)), ""


def _unlink(work: Work, action: Action) -> tuple[list[Step], str]:
    leaf = work.partition(action)
    return list(unlink_steps(leaf, read_foreign_keys(work.target.connection, leaf))), ""


def _drop(work: Work, action: Action) -> tuple[list[Step], str]:
    leaf = work.partition(action)
    return list(drop_steps(leaf, read_foreign_keys(work.target.connection, leaf))), ""


def _truncate(work: Work, action: Action) -> tuple[list[Step], str]:
    return list(truncate_steps(work.partition(action))), ""


_PREVIEWERS: dict[ActionKind, Callable[[Work, Action], tuple[list[Step], str]]] = {
    ActionKind.RELEASE: _release,
    ActionKind.FINALIZE: _finalize,
    ActionKind.CREATE: _create,
    ActionKind.DETACH: _detach,
    ActionKind.UNLINK: _unlink,
    ActionKind.ATTACH: _attach,
    ActionKind.MOVE: _move,
    ActionKind.DROP: _drop,
    ActionKind.TRUNCATE: _truncate,
}
