"""Create a partition and attach it, under the planned name or the next free one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from django.db import DatabaseError

from pg_timepart.errors import Conflict, Deferred
from pg_timepart.maintenance.actions.base import Handler, Urgency
from pg_timepart.maintenance.actions.default_partition import beside_default
from pg_timepart.maintenance.context import Work
from pg_timepart.maintenance.executor import Session
from pg_timepart.partitions.names import numbered
from pg_timepart.partitions.plan import Action
from pg_timepart.partitions.tables import Partition, Relation
from pg_timepart.postgres.catalog import is_taken, read_named
from pg_timepart.postgres.create_steps import create_steps, finish_leaf_steps
from pg_timepart.postgres.ddl import has_rows
from pg_timepart.postgres.driver import as_text
from pg_timepart.postgres.sqlstate import sqlstate
from pg_timepart.postgres.steps import Step
from pg_timepart.postgres.table_comments import comment_for
from pg_timepart.postgres.unattached_tables import is_owned, peculiarity
from pg_timepart.signals import post_create_partition

DUPLICATE_TABLE = "42P07"
DUPLICATE_OBJECT = "42710"
"""SQLSTATEs of a name that a table or a type has already."""

UNIQUE_VIOLATION = "23505"
MAX_NAMES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A name that a new partition can have."""

    name: str
    note: str
    """Why the name is not the planned one; empty where it is."""

    unfinished: Partition | None = None
    """The table of this name that an interrupted run of ours made and did not attach."""


@dataclass(slots=True)
class Create(Handler):
    """Handler of ``create``.

    An empty table of ours that was made and never attached is attached. Any other table with the
    planned name keeps it, and the new partition gets another name.
    """

    verb = "create"
    past = "created"
    urgency = Urgency.MAKES_ROOM
    signal = post_create_partition
    is_rotation = True

    place: Place | None = field(default=None, init=False)
    """The place that the steps use."""

    @property
    def is_urgent(self) -> bool:
        """Whether INSERTs fail within one period from now without the partition."""
        work = self.work
        if work.parent.default is not None:
            return False
        soon = work.policy.period.shift(work.now, 1, work.policy.zone)
        begins_soon = self.bounds.start is None or self.bounds.start < soon
        return begins_soon and (self.bounds.end is None or self.bounds.end > work.now)

    @property
    def note(self) -> str:
        """Return why the partition gets another name, and what depends on a table that exists."""
        if self.place is None:
            return ""
        said = [f"{self.place.note}."] if self.place.note else []
        if self.place.unfinished is not None:
            said.append(
                "An interrupted run made this table. If it holds rows, it is left alone and the new"
                " partition gets another name."
            )
        return " ".join(said)

    def check(self) -> None:
        """Raise Deferred where a partition covers some of the range and its detach is pending."""
        for each in self.work.parent.partitions:
            if each.is_pending and each.bounds and each.bounds.overlaps(self.bounds):
                raise Deferred(
                    f"The detach of {each.name} is pending: it must end before its range is free."
                )

    def steps(self) -> Iterator[Step]:
        """Yield the steps that make it in the chosen place, else in the first possible one.

        Raises Conflict where too many names are taken.
        """
        if self.place is None:
            self.place = next(places(self.work, self.action), None)
        if self.place is None:
            raise _too_many_taken(self.action)
        work, sides, unfinished = self.work, self.work.sides(self.bounds), self.place.unfinished
        if unfinished is not None:
            yield from finish_leaf_steps(work.parent, work.template(), unfinished, sides)
            return
        parent = work.parent
        leaf = Relation(oid=0, schema=parent.schema, name=self.place.name)
        tablespace = self.action.tablespace or parent.tablespace or parent.home
        comment = comment_for(work.target.label, parent, self.bounds, parent.noted(sides))
        yield from create_steps(parent, work.template(), leaf, sides, comment, tablespace)

    def perform(self, session: Session) -> str:
        """Create the partition, or attach what an interrupted run made; return how, in words."""
        self.check()
        for place in places(self.work, self.action):
            self.place = place
            if place.unfinished is not None:
                if not _has_rows(self.work, place.unfinished):
                    session.run(self.steps())
                    session.made = place.name
                    return f"{place.name} was there, made by an interrupted run"
            elif self._is_created(place.name, session):
                session.made = place.name
                return place.note or self.action.reason
        raise _too_many_taken(self.action)

    def assume_done(self) -> None:
        """Take the exclusion CHECKs on the default partition as dropped."""
        self.work.assume_no_exclusion_checks()

    def _is_created(self, name: str, session: Session) -> bool:
        """Create the partition; return False where another session has just taken the name."""
        try:
            with beside_default(self.work, session):
                session.run(self.steps())
        except DatabaseError as error:
            if sqlstate(error) == UNIQUE_VIOLATION:
                raise Deferred(f"Another session creates a table named {name} now.") from error
            if not self._is_lost(name, error):
                raise
            return False
        return True

    def _is_lost(self, name: str, error: DatabaseError) -> bool:
        """Whether another session has taken the name since it was chosen."""
        if sqlstate(error) not in (DUPLICATE_TABLE, DUPLICATE_OBJECT):
            return False
        return is_taken(self.work.target.connection, self.work.parent.schema, name)


def places(work: Work, action: Action) -> Iterator[Place]:
    """Yield possible places for the partition, best first, each by the catalog at that moment."""
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
    planned, elsewhere = action.partition, work.parent.names_elsewhere
    free = (each for each in numbered(planned) if each == planned or each not in elsewhere)
    return islice(free, MAX_NAMES)


def _too_many_taken(action: Action) -> Conflict:
    return Conflict(f"{MAX_NAMES} names like {action.partition} are taken.")


def _is_known(work: Work, name: str) -> bool:
    """Whether a partition has the name, attached or as our log of it says."""
    there = (*work.parent.partitions, *work.parent.detached)
    return any((each.schema, each.name) == (work.parent.schema, name) for each in there)


def _is_unfinished(work: Work, action: Action, found: Partition) -> bool:
    """Whether the table is ours and made for these bounds: comment, owner, nothing added."""
    connection, parent = work.target.connection, work.parent
    return (
        found.comment is not None
        and found.comment.bounds == action.bounds
        and is_owned(connection, parent, found, work.target.label)
        and peculiarity(connection, parent, found) is None
    )


def _has_rows(work: Work, leaf: Partition) -> bool:
    query = as_text(has_rows(leaf), work.target.connection)
    with work.target.connection.cursor() as cursor:
        cursor.execute(query)
        return bool(cursor.fetchone()[0])
