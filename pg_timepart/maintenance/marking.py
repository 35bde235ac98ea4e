"""Marking what we did not make, and the partitions of a renamed model anew."""

from __future__ import annotations

from pg_timepart.catalog import has_comment
from pg_timepart.ddl import comment_on
from pg_timepart.errors import Deferred
from pg_timepart.log_lines import logger
from pg_timepart.maintenance.executing import open_session
from pg_timepart.maintenance.targets import Target
from pg_timepart.maintenance.work import Work
from pg_timepart.marks import mark_text
from pg_timepart.relations import Mark, Partition
from pg_timepart.steps import Step


def first_mark(work: Work, leaf: Partition) -> list[Step]:
    """Return how to mark a partition that was made by hand, before it is detached.

    Only the mark tells later whose it was, if its row is lost or it is renamed. A comment of
    somebody else's is left alone.
    """
    if leaf.bounds is None or has_comment(work.target.connection, leaf.oid):
        return []
    return [_marking(leaf, Mark(label=work.target.label, bounds=leaf.bounds))]


def mark_again(target: Target) -> None:
    """Let the comment of each of the model's tables name the model as it is called now.

    SHARE UPDATE EXCLUSIVE on each table in turn, which stops no query. A table that somebody
    else alters at the moment keeps its old mark, and is named in a warning.
    """
    rows = target.rows()
    bounds = {row.relid: row.bounds for row in rows}
    parent = target.read(rows)
    for table in (*parent.partitions, *parent.detached):
        if table.oid in bounds:
            _mark(target, table, Mark(label=target.label, bounds=bounds[table.oid]))


def _mark(target: Target, table: Partition, mark: Mark) -> None:
    try:
        open_session(target.connection).run([_marking(table, mark)])
    except Deferred as error:
        logger.warning("%s keeps the mark of the model's old name: %s", table.name, error)


def _marking(table: Partition, mark: Mark) -> Step:
    return Step(summary=f"mark {table.name}", statements=(comment_on(table, mark_text(mark)),))
