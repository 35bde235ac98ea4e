"""References to a partition from rows of other tables: while there are any, it is not detached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError

from pg_timepart.errors import Conflict, StillReferred, TimepartError
from pg_timepart.maintenance.context import Work
from pg_timepart.partitions.bounds import BoundLiterals
from pg_timepart.partitions.plan import Action
from pg_timepart.partitions.tables import Partition
from pg_timepart.postgres.referring_rows import what_refers
from pg_timepart.postgres.sqlstate import FOREIGN_KEY_VIOLATION, sentence, sqlstate


def refuse_referred(work: Work, action: Action, leaf: Partition) -> None:
    """Raise where rows refer to the attached ``leaf``, or the search for them takes too long.

    It is StillReferred for what retention wants, because the next pass asks again, and Conflict for
    what a person has asked for. The log keeps why.
    """
    if not work.template().referring:
        return
    why = what_refers(
        work.target.connection,
        work.parent,
        leaf,
        _bounds_of(work, leaf),
        work.target.lock_budget().lock_ms,
    )
    if not work.is_dry:
        work.note_references(action, why)
    if why:
        raise _refusal(action, leaf, why)


@contextmanager
def references_named(work: Work, action: Action, leaf: Partition) -> Iterator[None]:
    """Run the block, which detaches; name the rows that began to refer to the leaf meanwhile."""
    try:
        yield
    except IntegrityError as error:
        if sqlstate(error) != FOREIGN_KEY_VIOLATION:
            raise
        work.reread()
        refuse_referred(work, action, leaf)
        work.note_references(action, sentence(error))  # of rows that are gone by now
        raise _refusal(action, leaf, sentence(error)) from error


def _refusal(action: Action, leaf: Partition, why: str) -> TimepartError:
    if action.is_asked:
        return Conflict(f"{leaf.name} cannot be detached: the server refuses it. {why}")
    return StillReferred(f"{leaf.name} stays attached, and each pass asks again. {why}")


def _bounds_of(work: Work, leaf: Partition) -> BoundLiterals:
    if leaf.literals is not None:
        return leaf.literals
    if leaf.bounds is None:  # a default partition, whose rows are those of no other
        return BoundLiterals(lower=None, upper=None)
    return work.sides(leaf.bounds)
