"""assert_prunes: how many partitions the plan of a queryset holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import connections, models, transaction
from django.db.backends.utils import strip_quotes

from pg_timepart.errors import NotPartitioned
from pg_timepart.maintenance.target import read_table, target_without_logs, usable
from pg_timepart.postgres.statement_plans import Touched, partitions_touched, read_plan
from pg_timepart.schema.key_filters import key_filter
from pg_timepart.schema.registry import registry

MOST_NAMES = 20
"""How many partitions of one table are named."""


def assert_prunes(queryset: models.QuerySet[Any], at_most: int = 1) -> None:
    """Fail if the plan of ``queryset`` holds more than ``at_most`` partitions of a table.

    Raises AssertionError, which names them. The queryset is not evaluated: its SELECT is planned
    by EXPLAIN, in the database that the queryset reads, within the transaction that is open there.
    What is pruned by constants counts as pruned, and so does what is pruned by ``now()`` and
    parameters before the first row is read; what a join or a subquery prunes while it runs does
    not. Each partitioned table of a query with several may have ``at_most``; a default partition
    and each leaf of a partition that is partitioned again count like any other.
    ``prefetch_related()`` makes queries of their own, which are not looked at. A queryset that asks
    the database nothing, such as ``none()``, passes.

    Raises TypeError for what is no queryset, TypeError or ValueError for an ``at_most`` that is no
    number from 0, and NotPartitioned where neither the queryset's model nor any table in the plan
    is partitioned.
    """
    _check_arguments(queryset, at_most)
    touched = _touched(queryset)
    _see_that_there_are_partitions(queryset, touched)
    too_many = [each for each in touched if len(each.names) > at_most]
    if too_many:
        raise AssertionError("\n".join(_sentence(each, at_most) for each in too_many))


def _check_arguments(queryset: Any, at_most: Any) -> None:
    if isinstance(queryset, models.Manager):
        raise TypeError(f"assert_prunes() takes a queryset: {queryset}.all(), not the manager.")
    if not isinstance(queryset, models.QuerySet):
        raise TypeError(f"assert_prunes() takes a queryset, not {type(queryset).__name__}.")
    if not isinstance(at_most, int) or isinstance(at_most, bool):
        raise TypeError(f"at_most is a number of partitions, not {at_most!r}.")
    if at_most < 0:
        raise ValueError(f"at_most is a number of partitions from 0, not {at_most}.")


def _touched(queryset: models.QuerySet[Any]) -> list[Touched]:
    """Return the partitions in the plan; ``select_for_update()`` needs a transaction."""
    with transaction.atomic(using=queryset.db):
        printed = queryset.explain(format="json", verbose=True, costs=False)
        if not printed:
            return []
        plan = read_plan(printed)
        return partitions_touched(connections[queryset.db], plan.scans)


def _see_that_there_are_partitions(queryset: models.QuerySet[Any], touched: list[Touched]) -> None:
    """Raise NotPartitioned, for otherwise a test would pass without having looked at anything."""
    model = queryset.model._meta.concrete_model or queryset.model
    lineage = {model, *model._meta.get_parent_list()}
    decorated = [each for each in registry() if each in lineage]
    for each in decorated:
        target = target_without_logs(each, queryset.db)
        usable(target, read_table(connections[queryset.db], each))
    if not decorated and not touched:
        raise NotPartitioned(
            f"{model._meta.label} is not partitioned, and the plan of this queryset holds no"
            " partition of any other model: there is nothing to prune."
        )


def _sentence(touched: Touched, at_most: int) -> str:
    names = touched.names
    return (
        f"The plan holds {len(names)} of the {touched.total} partitions of"
        f" {touched.schema}.{touched.table}, not {at_most} at most: {_named(names)}."
        f"{_advice(touched.table)}"
    )


def _named(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:MOST_NAMES])
    return shown if len(names) <= MOST_NAMES else f"{shown} and {len(names) - MOST_NAMES} more"


def _advice(table: str) -> str:
    """Return which filter would help, where a decorated model has the table."""
    model = _model_of(table, registry())
    return "" if model is None else f" What prunes is {key_filter(model)}: see docs/pruning.md."


def _model_of(table: str, known: Iterable[type[models.Model]]) -> type[models.Model] | None:
    return next((each for each in known if strip_quotes(each._meta.db_table) == table), None)
