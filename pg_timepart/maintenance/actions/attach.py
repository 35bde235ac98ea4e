"""Attach a detached table with the bounds that it had, once it is like its parent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import IntegrityError

from pg_timepart.errors import Conflict
from pg_timepart.maintenance.actions.base import Handler
from pg_timepart.maintenance.actions.default_partition import beside_default
from pg_timepart.maintenance.actions.finalize import finalize_step
from pg_timepart.maintenance.actions.move import move_step
from pg_timepart.maintenance.executor import Session
from pg_timepart.partitions.table_details import Leaf
from pg_timepart.partitions.tables import Partition
from pg_timepart.postgres import orphaned_rows
from pg_timepart.postgres.alignment import Alignment, alignment_steps, read_alignment, unlike
from pg_timepart.postgres.attach_steps import attach_steps
from pg_timepart.postgres.sqlstate import FOREIGN_KEY_VIOLATION, sentence, sqlstate
from pg_timepart.postgres.steps import Step
from pg_timepart.postgres.table_details import read_leaf
from pg_timepart.postgres.unattached_tables import peculiarity
from pg_timepart.signals import post_attach_partition


@dataclass(slots=True)
class Attach(Handler):
    """Handler of ``attach``.

    A pending detach is finalized first. The move, the alignment with the parent, index builds and
    the validation of rows follow, under locks that block no query of the parent.
    """

    verb = "attach"
    past = "attached"
    signal = post_attach_partition

    alignment: Alignment | None = field(default=None, init=False)
    """What the alignment with the parent changes on the table; known once its step is made."""

    details: Leaf | None = field(default=None, init=False)

    def check(self) -> None:
        """Raise Refused where the table is not ours, and Conflict where its range is taken."""
        Handler.check(self)
        for each in self.work.parent.ranged:
            if each.oid != self.action.oid and each.bounds and self.bounds.overlaps(each.bounds):
                raise Conflict(
                    f"{self.action.partition} cannot be attached: {each.name} covers some of its"
                    f" range. Detach {each.name} first, or move the rows of one into the other."
                )

    def steps(self) -> Iterator[Step]:
        """Yield the steps; none where the table is attached already.

        Raises Conflict where the table has triggers, rules or row security of its own, or where its
        columns or rows differ from what the parent needs in a way that only a person may change.
        """
        work, leaf = self.work, self.work.own_partition(self.action)
        if leaf.is_attached and not leaf.is_pending:
            return
        if leaf.is_pending:
            yield finalize_step(work.parent, work.template(), leaf)
            work.after_detach(self.action)
            leaf = work.own_partition(self.action)
        self.alignment = alignment = self._read_alignment(leaf)
        tablespace = self.action.tablespace or work.parent.tablespace or leaf.tablespace
        if tablespace != leaf.tablespace:
            yield move_step(leaf, tablespace)
        sides = work.sides(self.bounds, leaf)
        self.details = details = read_leaf(work.target.connection, work.parent, leaf, sides)
        yield from alignment_steps(leaf, alignment)
        yield from attach_steps(work.parent, work.template(), details, sides, tablespace)

    def perform(self, session: Session) -> str:
        """Attach the partition and record it."""
        self.work.reread()
        leaf = self.work.own_partition(self.action)
        is_there = leaf.is_attached and not leaf.is_pending
        if not is_there:
            self.check()
            self.work.begin(self.action)
            with self._reasons_named(leaf), beside_default(self.work, session):
                session.run(self.steps())
            session.remarks.extend(self._remarks())
        self.work.settle(self.action, is_attached=True, detached_at=None, wanted_tablespace="")
        return "was attached" if is_there else self.action.reason

    def assume_done(self) -> None:
        """Take the exclusion CHECKs on the default partition as dropped."""
        self.work.assume_no_exclusion_checks()

    def _read_alignment(self, leaf: Partition) -> Alignment:
        connection, parent = self.work.target.connection, self.work.parent
        reason = peculiarity(connection, parent, leaf)
        if reason is not None:
            raise Conflict(f"{leaf.name} cannot be attached: {reason}")
        alignment = read_alignment(connection, parent, leaf)
        if alignment.obstacles:
            raise Conflict(unlike(leaf, alignment.obstacles))
        return alignment

    @contextmanager
    def _reasons_named(self, leaf: Partition) -> Iterator[None]:
        """Run the block; raise Conflict with the rows that a constraint of the parent refuses."""
        try:
            yield
        except IntegrityError as error:
            name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
            found = self._rows_refused(leaf, sqlstate(error), name) if name else None
            if found is None:
                raise
            raise Conflict(f"{leaf.name} cannot be attached. {sentence(error)} {found}") from error

    def _rows_refused(self, leaf: Partition, state: str | None, name: str) -> str | None:
        """Return which rows a constraint refuses and what to do; None for other errors."""
        if state == FOREIGN_KEY_VIOLATION:
            return orphaned_rows.described(self.work.target.connection, leaf, name)
        not_nulls = self.alignment.not_nulls if self.alignment else ()
        column = next((each.column for each in not_nulls if each.check == name), None)
        if column is None:
            return None
        return (
            f"The parent declares {column} NOT NULL: give the rows of {leaf.name} that have none a"
            " value, then attach it."
        )

    def _remarks(self) -> Iterator[str]:
        expected = {each.name for each in self.details.bounds_checks} if self.details else set()
        for name in self.alignment.own_checks if self.alignment else ():
            if name not in expected:
                yield (
                    f"It keeps the CHECK {name}, which the parent has not: rows that it refuses are"
                    " refused in this range until it is dropped."
                )
