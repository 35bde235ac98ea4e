"""Comments on partitions, which name their parent: written before a detach and after a rename."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from django.db import DatabaseError

from pg_timepart.errors import Deferred
from pg_timepart.findings import Code, Finding
from pg_timepart.logger import logger
from pg_timepart.maintenance.context import Work
from pg_timepart.maintenance.executor import Session
from pg_timepart.maintenance.target import Target
from pg_timepart.models import PartitionLog
from pg_timepart.partitions.addresses import qualified
from pg_timepart.partitions.tables import Parent, Partition, PartitionComment
from pg_timepart.postgres.ddl import comment_on
from pg_timepart.postgres.sqlstate import ends_the_run, in_words
from pg_timepart.postgres.steps import Step
from pg_timepart.postgres.table_comments import comment_for, comment_text
from pg_timepart.postgres.unattached_tables import objection


def comment_before_detach(work: Work, leaf: Partition) -> list[Step]:
    """Return the step that comments on a partition made or attached by hand; none if it is right.

    After a detach, only the comment tells whose partition the table was, if its log is lost or the
    table is renamed. A comment of another form is left alone.
    """
    if leaf.bounds is None or (leaf.has_comment and leaf.comment is None):
        return []
    parent, literals = work.parent, work.parent.noted(leaf.literals)
    wanted = comment_for(work.target.label, parent, leaf.bounds, literals)
    return [] if leaf.comment == wanted else [_step(leaf, wanted)]


def outdated_comments(
    target: Target, parent: Parent, logs: Sequence[PartitionLog]
) -> list[tuple[Partition, PartitionComment]]:
    """Return the partitions whose comments lack the table, or name table or model by an old name.

    Each comes with its right comment. Detached ones count if our log knows them. Makes no query
    unless there are such detached ones, and returns nothing inside a transaction of the caller,
    which would keep the locks.
    """
    if target.connection.in_atomic_block:
        return []
    found = [*parent.partitions, *_known(parent.detached, logs)]
    return [
        (each, comment)
        for each, comment in _differing(found, target, parent)
        if each.is_attached or objection(target.connection, parent, each) is None
    ]


def update_comments(work: Work) -> list[Finding]:
    """Rewrite these comments with the present names of table and model; return what was done.

    Takes SHARE UPDATE EXCLUSIVE on each table in turn, which blocks no query. A table on which
    another session holds a conflicting lock keeps its old comment until the next pass.
    """
    changes = [] if work.rivals else outdated_comments(work.target, work.parent, work.logs)
    done = [table for table, comment in changes if _is_written(work, table, comment)]
    if not done:
        return []
    work.reread()
    words = f"Comments name {qualified(work.parent)} now: {len(done)} partition(s)."
    return [Finding(Code.COMMENTS_RENAMED, words)]


def _known(detached: Sequence[Partition], logs: Sequence[PartitionLog]) -> Iterator[Partition]:
    names = {log.relid: (log.schema_name, log.table_name) for log in logs}
    return (each for each in detached if names.get(each.oid) == (each.schema, each.name))


def _differing(
    found: Sequence[Partition], target: Target, parent: Parent
) -> Iterator[tuple[Partition, PartitionComment]]:
    label = target.label
    for each in found:
        comment = each.comment
        if comment is None or each.owner != parent.owner or each.is_default:
            continue
        if comment.label != label or not comment.names(parent):
            bounds, literals = each.bounds or comment.bounds, parent.noted(each.literals)
            yield each, comment_for(label, parent, bounds, literals)


def _is_written(work: Work, table: Partition, comment: PartitionComment) -> bool:
    """Comment on the table unless it is busy right now; return whether that was done."""
    connection = work.target.connection
    connection.ensure_connection()
    budget = replace(work.target.lock_budget(), wait_seconds=0.0)
    session = Session(connection=connection, budget=budget)
    try:
        session.run([_step(table, comment)])
    except (Deferred, DatabaseError) as error:
        if ends_the_run(error):
            raise
        logger.warning("%s keeps its old comment for now: %s", table.name, in_words(error))
        return False
    return True


def _step(table: Partition, comment: PartitionComment) -> Step:
    return Step(
        summary=f"comment on {table.name}", statements=(comment_on(table, comment_text(comment)),)
    )
