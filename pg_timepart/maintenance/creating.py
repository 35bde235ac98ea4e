"""Making partitions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from django.db import DatabaseError, ProgrammingError

from pg_timepart.catalog import read_named
from pg_timepart.ddl import has_rows
from pg_timepart.drivers import as_text
from pg_timepart.errors import Conflict, Deferred
from pg_timepart.faults import sqlstate
from pg_timepart.maintenance.executing import Session
from pg_timepart.maintenance.promising import beside_default
from pg_timepart.maintenance.work import Work
from pg_timepart.naming import alternatives
from pg_timepart.plans import Action
from pg_timepart.procedures import create_steps, finish_leaf_steps
from pg_timepart.relations import Mark, Partition, Relation

DUPLICATE_TABLE = "42P07"
UNIQUE_VIOLATION = "23505"
MAX_NAMES = 20


def create(work: Work, action: Action, session: Session) -> str:
    """Create the partition and attach it; return what there is to say about how.

    A table of ours that was made and never attached is attached; a partition that has the name,
    attached or not, keeps it, and the new one gets another. Raises Conflict for anything else in
    the way.
    """
    _refuse_beside_pending(work, action)
    for name in _names(work, action):
        try:
            _create_named(work, action, name, session)
        except ProgrammingError as error:
            if sqlstate(error) != DUPLICATE_TABLE:
                raise
            if _finish(work, action, name, session):
                session.made = name
                return f"{name} was there, made by an interrupted run"
        else:
            session.made = name
            return action.reason if name == action.partition else f"{action.partition} was taken"
    raise Conflict(f"{MAX_NAMES} tables named like {action.partition} are in the way.")


def _names(work: Work, action: Action) -> Iterator[str]:
    """Yield the planned name, then others that no partition in another schema has."""
    yield action.partition
    elsewhere = work.parent.names_elsewhere
    others = (each for each in alternatives(action.partition) if each not in elsewhere)
    yield from islice(others, MAX_NAMES - 1)


def _refuse_beside_pending(work: Work, action: Action) -> None:
    """Give way where a partition covers some of the range and its detach has not ended."""
    wanted = action.bounds
    for each in work.parent.partitions:
        if each.is_pending and wanted and each.bounds and each.bounds.overlaps(wanted):
            raise Deferred(
                f"The detach of {each.name} is pending: it must end before its range is free."
            )


def _create_named(work: Work, action: Action, name: str, session: Session) -> None:
    parent, bounds = work.parent, action.bounds
    assert bounds is not None  # noqa: S101
    leaf = Relation(oid=0, schema=parent.schema, name=name)
    tablespace = action.tablespace or parent.tablespace or parent.home
    mark = Mark(label=work.target.label, bounds=bounds)
    steps = create_steps(parent, work.template(), leaf, work.sides(bounds), mark, tablespace)
    try:
        with beside_default(work, session):
            session.run(steps)
    except DatabaseError as error:
        if sqlstate(error) == UNIQUE_VIOLATION:
            raise Deferred(f"Somebody else makes a table named {name} at the same time.") from error
        raise


def _finish(work: Work, action: Action, name: str, session: Session) -> bool:
    """Attach the table that has the name, if we made it for this; return False to take another."""
    if _is_attached(work, name):
        return False
    found = read_named(work.target.connection, work.parent.schema, name)
    if found is not None and work.row_of(found.oid) is not None:
        return False
    if found is None or found.mark is None or found.mark.label != work.target.label:
        raise Conflict(
            f"A table, view or index named {name} is in the way, and pg_timepart did not make it:"
            " rename it or drop it, and the next pass makes the partition. If it holds rows of"
            " this range, attach it by hand and run timepart reconcile."
        )
    if found.mark.bounds != action.bounds or _has_rows(work, found):
        return False
    assert action.bounds is not None  # noqa: S101
    sides = work.sides(action.bounds)
    session.run(finish_leaf_steps(work.parent, work.template(), found, sides))
    return True


def _is_attached(work: Work, name: str) -> bool:
    own, partitions = work.parent.schema, work.parent.partitions
    return any((each.schema, each.name) == (own, name) for each in partitions)


def _has_rows(work: Work, leaf: Partition) -> bool:
    query = as_text(has_rows(leaf), work.target.connection)
    with work.target.connection.cursor() as cursor:
        cursor.execute(query)
        return bool(cursor.fetchone()[0])
