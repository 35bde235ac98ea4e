"""Making partitions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from django.db import DatabaseError, ProgrammingError

from pg_timepart.errors import Conflict, Deferred
from pg_timepart.maintenance.actions.default_partition import beside_default
from pg_timepart.maintenance.context import Work
from pg_timepart.maintenance.executor import Session
from pg_timepart.partitions.names import alternatives
from pg_timepart.partitions.plan import Action
from pg_timepart.partitions.tables import Partition, Relation
from pg_timepart.postgres.action_steps import create_steps, finish_leaf_steps
from pg_timepart.postgres.catalog import is_taken, read_named
from pg_timepart.postgres.ddl import has_rows
from pg_timepart.postgres.driver import as_text
from pg_timepart.postgres.sqlstate import sqlstate
from pg_timepart.postgres.table_comments import comment_for
from pg_timepart.postgres.unattached_tables import is_owned, peculiarity

DUPLICATE_TABLE = "42P07"
DUPLICATE_OBJECT = "42710"
"""What the server says of a type that has the name."""

UNIQUE_VIOLATION = "23505"
MAX_NAMES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A name that a new partition can have."""

    name: str
    note: str
    """Why that is not the planned one; empty where it is."""

    unfinished: Partition | None = None
    """The table of this name that an interrupted run of ours made and did not attach."""


def create(work: Work, action: Action, session: Session) -> str:
    """Create the partition and attach it; return what there is to say about how.

    A table of ours that was made and never attached is attached, if it is empty. Whatever else has
    the name, ours or not, keeps it, and the new partition gets another. Raises Conflict where too
    many names are taken.
    """
    _refuse_beside_pending(work, action)
    for place in places(work, action):
        if place.unfinished is not None:
            if not _has_rows(work, place.unfinished):
                return _finish(work, action, place.unfinished, session)
        elif _is_created(work, action, place.name, session):
            session.made = place.name
            return place.note or action.reason
    raise Conflict(f"{MAX_NAMES} names like {action.partition} are taken.")


def places(work: Work, action: Action) -> Iterator[Place]:
    """Yield where the partition may be made, best first: each as the catalog is by then."""
    note = ""
    for name in _names(work, action):
        if not is_taken(work.target.connection, work.parent.schema, name):
            yield Place(name=name, note=note)
        elif _is_known(work, name):
            note = note or f"{action.partition} was taken"
        else:
            found = read_named(work.target.connection, work.parent.schema, name)
            if found is not None and _is_unfinished(work, action, found):
                yield Place(name=name, note=note, unfinished=found)
                note = note or f"{action.partition} was taken"
            note = note or (
                f"{action.partition} is the name of something that pg_timepart did not make, so"
                " the partition got the next free name"
            )


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


def _is_created(work: Work, action: Action, name: str, session: Session) -> bool:
    """Create it, unless somebody has just taken the name."""
    try:
        _create_named(work, action, name, session)
    except ProgrammingError as error:
        is_lost = sqlstate(error) in (DUPLICATE_TABLE, DUPLICATE_OBJECT)
        if not is_lost or not is_taken(work.target.connection, work.parent.schema, name):
            raise
        return False
    return True


def _create_named(work: Work, action: Action, name: str, session: Session) -> None:
    parent, bounds = work.parent, action.bounds
    assert bounds is not None  # noqa: S101
    leaf = Relation(oid=0, schema=parent.schema, name=name)
    tablespace = action.tablespace or parent.tablespace or parent.home
    comment = comment_for(work.target.label, parent, bounds)
    steps = create_steps(parent, work.template(), leaf, work.sides(bounds), comment, tablespace)
    try:
        with beside_default(work, session):
            session.run(steps)
    except DatabaseError as error:
        if sqlstate(error) == UNIQUE_VIOLATION:
            raise Deferred(f"Somebody else makes a table named {name} at the same time.") from error
        raise


def _is_known(work: Work, name: str) -> bool:
    """Whether a partition has the name, attached or as our row of it says."""
    there = (*work.parent.partitions, *work.parent.detached)
    return any((each.schema, each.name) == (work.parent.schema, name) for each in there)


def _is_unfinished(work: Work, action: Action, found: Partition) -> bool:
    """Whether we made the table for this, as it is: its comment, its owner, nothing of its own."""
    connection, parent = work.target.connection, work.parent
    return (
        found.comment is not None
        and found.comment.bounds == action.bounds
        and is_owned(connection, parent, found, work.target.label)
        and peculiarity(connection, parent, found) is None
    )


def _finish(work: Work, action: Action, found: Partition, session: Session) -> str:
    """Attach the table that an interrupted run made for this."""
    assert action.bounds is not None  # noqa: S101
    sides = work.sides(action.bounds)
    session.run(finish_leaf_steps(work.parent, work.template(), found, sides))
    session.made = found.name
    return f"{found.name} was there, made by an interrupted run"


def _has_rows(work: Work, leaf: Partition) -> bool:
    query = as_text(has_rows(leaf), work.target.connection)
    with work.target.connection.cursor() as cursor:
        cursor.execute(query)
        return bool(cursor.fetchone()[0])
