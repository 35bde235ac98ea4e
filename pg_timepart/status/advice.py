"""Advice on the statements that ask more partitions than they need, from pg_stat_statements.

Reads and plans, and executes none of these statements: see ``postgres/generic_plans``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import django.db
from django.db import connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart import conf
from pg_timepart.errors import TimepartError
from pg_timepart.findings import Code, Finding
from pg_timepart.maintenance.target import decorated, read_table, target_without_logs, usable
from pg_timepart.partitions.tables import Parent
from pg_timepart.postgres.generic_plans import (
    NotPlanned,
    first_word,
    generic_plan,
    is_statement,
    planning_connection,
)
from pg_timepart.postgres.recorded_statements import (
    NotRecorded,
    RecordedStatement,
    RecordedStatements,
    read_statements,
)
from pg_timepart.postgres.statement_plans import partitions_touched
from pg_timepart.status.advice_types import StatementAdvice, TableAdvice
from pg_timepart.status.health import no_table, unreadable
from pg_timepart.status.statement_reasons import advice_on_statement, is_judged_late

LIMIT = 200
"""How many statements of a table are planned, those with the most time."""


@dataclass(slots=True, kw_only=True)
class _Judged:
    """What the plans of a table's statements say."""

    planned: int = 0
    statements: list[StatementAdvice] = field(default_factory=list)
    late: int = 0
    """How many may prune while they run."""

    not_planned: Counter[str] = field(default_factory=Counter)
    """How many statements could not be planned, by the reason."""


def advice_on(
    labels: Sequence[str], *, using: str | None = None, limit: int = LIMIT
) -> list[TableAdvice]:
    """Return advice on the recorded statements of each of these decorated models' tables.

    In the database that the routers name for writes, or in ``using``. Reads only, on a connection
    of its own, in transactions that end at once. What cannot be read is in ``problems`` of the
    tables concerned. Raises UnknownName for a model that is not decorated.
    """
    return [_advice(decorated(each), using, limit) for each in labels]


def _advice(model: type[models.Model], using: str | None, limit: int) -> TableAdvice:
    alias = using or router.db_for_write(model)
    found = TableAdvice(label=model._meta.label_lower, alias=alias)
    try:
        with planning_connection(connections[alias]) as connection:
            _fill(found, model, connection, limit)
    except NotRecorded as error:
        found.problems.append(Finding(Code.STATEMENTS_UNKNOWN, str(error)))
    except TimepartError as error:
        found.problems.append(no_table(error))
    except django.db.Error as error:
        found.problems.append(unreadable(f"The database {alias!r}", error))
    return found


def _fill(
    found: TableAdvice, model: type[models.Model], connection: BaseDatabaseWrapper, limit: int
) -> None:
    target = target_without_logs(model, found.alias)
    parent = usable(target, read_table(connection, model))
    recorded = read_statements(connection, connection.ops.quote_name(model._meta.db_table))
    connection.rollback()
    queries = [each for each in recorded.ours if is_statement(each.text)]
    judged = _judged(model, parent, connection, queries[:limit])
    found.since, found.examined = recorded.since, judged.planned
    found.statements = judged.statements
    left_out = [*_beyond(len(queries), limit), *_unseen(recorded), *_unjudged(recorded, judged)]
    found.notes = [Finding(Code.STATEMENTS_LEFT_OUT, each) for each in left_out]


def _judged(
    model: type[models.Model],
    parent: Parent,
    connection: BaseDatabaseWrapper,
    statements: Sequence[RecordedStatement],
) -> _Judged:
    """Return what the plans say, one statement after the other: no lock outlives its own."""
    judged = _Judged()
    for each in statements:
        try:
            _judge(judged, model, parent, connection, each)
        except NotPlanned as error:
            judged.not_planned[str(error)] += 1
    return judged


def _judge(
    judged: _Judged,
    model: type[models.Model],
    parent: Parent,
    connection: BaseDatabaseWrapper,
    recorded: RecordedStatement,
) -> None:
    plan = generic_plan(connection, recorded.text, lock_ms=conf.options().LOCK_BUDGET_MS)
    touched = partitions_touched(connection, plan.scans)
    connection.rollback()
    judged.planned += 1
    for each in touched:
        if each.oid != parent.oid or not 1 < each.total <= len(each.names):
            continue
        if is_judged_late(model, plan, each):
            judged.late += 1
        else:
            judged.statements.append(advice_on_statement(model, recorded, plan, each))


def _beyond(count: int, limit: int) -> Iterator[str]:
    if count > limit:
        yield f"{count - limit} with less time were not looked at: --limit {count}."


def _unseen(recorded: RecordedStatements) -> Iterator[str]:
    """Yield sentences on statements of other roles."""
    if recorded.others:
        yield (
            f"{recorded.others} of other roles ({', '.join(sorted(recorded.other_roles))}) were not"
            " looked at. Planning runs functions that a statement names, so only statements of"
            " roles that have all rights of this one are planned: run this as that role."
        )
    if recorded.hidden:
        yield (
            f"Statements of {_counted(recorded.hidden, 'role')} are hidden from this one, so it is"
            " not known whether they name this table: GRANT pg_read_all_stats shows them."
        )


def _unjudged(recorded: RecordedStatements, judged: _Judged) -> Iterator[str]:
    """Yield sentences on statements of which the plan says nothing, or that have none."""
    if judged.late:
        yield (
            f"{judged.late} compare the key with what a join or a subquery gives: whether that"
            " prunes shows only while they run (EXPLAIN ANALYZE)."
        )
    cursors = sum(first_word(each.text) == "declare" for each in recorded.ours)
    if cursors:
        yield f"{_counted(cursors, 'cursor')}, as iterator() declares them, were not planned."
    for reason, count in judged.not_planned.most_common():
        yield f"{count} could not be planned: {reason}."


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
