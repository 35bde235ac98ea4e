"""Why a statement asks all partitions of a table, and which filter would help. Pure."""

from __future__ import annotations

from collections.abc import Callable

from django.db import models
from django.db.backends.utils import strip_quotes

from pg_timepart.postgres.recorded_statements import RecordedStatement
from pg_timepart.postgres.statement_plans import Scan, StatementPlan, Touched, names_column
from pg_timepart.schema.key_filters import column_of, instance_filter, key_filter, sql_range
from pg_timepart.status.advice_types import Reason, StatementAdvice


def is_judged_late(model: type[models.Model], plan: StatementPlan, touched: Touched) -> bool:
    """Return whether a join or a subquery may prune while the statement runs; plans show none."""
    key = column_of(model)
    return any(
        names_column(condition, scan.alias, key) and plan.is_decided_late(scan, condition)
        for scan in touched.scans
        for condition in scan.conditions
    )


def advice_on_statement(
    model: type[models.Model],
    recorded: RecordedStatement,
    plan: StatementPlan,
    touched: Touched,
) -> StatementAdvice:
    """Return the advice on a statement whose plan holds all partitions of the model's table."""
    reason = _reason(model, plan, touched.scans)
    typed, sentence = _HELP[reason](model)
    return StatementAdvice(
        query_id=recorded.query_id,
        query=recorded.text,
        calls=recorded.calls,
        total_ms=recorded.total_ms,
        partitions=len(touched.names),
        reason=reason,
        filter=typed,
        sentence=sentence,
    )


def _reason(model: type[models.Model], plan: StatementPlan, scans: tuple[Scan, ...]) -> Reason:
    primary = strip_quotes(str(model._meta.pk.column))
    if not any(each.conditions for each in scans):
        return Reason.LIMIT_ALONE if plan.has_limit else Reason.WHOLE_TABLE
    if _have(scans, column_of(model)):
        return Reason.KEY_IN_EXPRESSION
    return Reason.BY_PRIMARY_KEY if _have(scans, primary) else Reason.OTHER_CONDITIONS


def _have(scans: tuple[Scan, ...], column: str) -> bool:
    return any(names_column(each, scan.alias, column) for scan in scans for each in scan.conditions)


def _of_expression(model: type[models.Model]) -> tuple[str, str]:
    typed = key_filter(model)
    return typed, (
        f"Its condition on {column_of(model)} prunes nothing: it is on a function or a cast of"
        f" it, as of __date, or one side of an OR. Compare the column itself: {typed}."
    )


def _of_primary_key(model: type[models.Model]) -> tuple[str, str]:
    typed = instance_filter(model)
    return typed, (
        "It looks for rows by the primary key, which is not the partition key. Saving, deleting and"
        " refreshing an instance that was loaded says the key by itself, unless PRUNE_INSTANCES is"
        f" off; elsewhere say it too: {typed}, or {sql_range(model)}."
    )


def _of_other_conditions(model: type[models.Model]) -> tuple[str, str]:
    typed = key_filter(model)
    return typed, f"Its conditions say nothing of the key {column_of(model)}. Add {typed}."


def _of_limit(model: type[models.Model]) -> tuple[str, str]:
    typed = key_filter(model)
    return typed, f"It takes the first rows of all partitions. Say from when on, too: {typed}."


def _of_whole_table(model: type[models.Model]) -> tuple[str, str]:
    return "", (
        f"It reads the whole table, with no condition on {column_of(model)} or anything else: a"
        " total needs every partition. Keep totals of periods that are over, and count the rest by"
        f" {key_filter(model)}."
    )


_HELP: dict[Reason, Callable[[type[models.Model]], tuple[str, str]]] = {
    Reason.KEY_IN_EXPRESSION: _of_expression,
    Reason.BY_PRIMARY_KEY: _of_primary_key,
    Reason.OTHER_CONDITIONS: _of_other_conditions,
    Reason.LIMIT_ALONE: _of_limit,
    Reason.WHOLE_TABLE: _of_whole_table,
}
