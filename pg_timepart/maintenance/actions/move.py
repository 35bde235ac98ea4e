"""Move a table with its indexes to another tablespace."""

from __future__ import annotations

from collections.abc import Iterator

from pg_timepart.errors import Deferred, UnknownName
from pg_timepart.maintenance.actions.base import Handler
from pg_timepart.maintenance.executor import Session
from pg_timepart.models import PartitionLog
from pg_timepart.models.database import keep
from pg_timepart.partitions.plan import Action
from pg_timepart.partitions.tables import Partition
from pg_timepart.postgres import ddl
from pg_timepart.postgres.lock_waits import LockTimeout
from pg_timepart.postgres.steps import ACCESS_EXCLUSIVE, Step, locked


class Move(Handler):
    """Handler of ``move``."""

    verb = "move"
    past = "moved"
    is_rotation = True

    @classmethod
    def destination(cls, action: Action) -> str:
        """Return the tablespace, as " to ..."."""
        return f" to {action.tablespace}"

    def check(self) -> None:
        """Raise Refused where the table is not ours, and UnknownName without a tablespace."""
        super().check()
        if not self.action.tablespace:
            raise UnknownName(
                "tablespace", str(self.action.tablespace), sorted(self.work.known_tablespaces)
            )

    def steps(self) -> Iterator[Step]:
        """Yield one step."""
        assert self.action.tablespace is not None  # noqa: S101  # check() has made sure
        yield move_step(self.work.partition(self.action), self.action.tablespace)

    def perform(self, session: Session) -> str:
        """Move the table and all its indexes.

        A detached table moves in a transaction without a limit of time. An attached one moves only
        if the copy fits into the lock budget, because its readers wait meanwhile.
        """
        self.work.reread()
        self.check()
        self.work.begin(self.action)
        leaf = self.work.partition(self.action)
        try:
            session.run(self.steps())
        except LockTimeout as error:
            if leaf.is_attached:
                raise Deferred(
                    f"{error} While {leaf.name} is attached it moves only if that takes less than"
                    f" {session.budget.lock_ms} ms; detach it first to move it at leisure."
                ) from error
            raise
        self.work.settle(self.action, wanted_tablespace="")
        return self.action.reason

    def give_up(self, log: PartitionLog, *, may_yet_be_done: bool) -> None:
        """Keep the move of a detached partition recorded, so that the next pass tries again.

        A move that a person asked for and that is impossible, such as to a missing tablespace, is
        not kept: the person has been told.
        """
        if log.is_attached or (self.action.is_asked and not may_yet_be_done):
            keep(log, unfinished="", wanted_tablespace="")


def move_step(leaf: Partition, tablespace: str) -> Step:
    """Return the step that moves a table: without a limit once detached, else within the budget."""
    statements = [ddl.set_index_tablespaces(leaf, tablespace)]
    if leaf.tablespace != tablespace:
        statements.insert(0, ddl.set_tablespace(leaf, tablespace))
    return Step(
        summary=f"move {leaf.name} to {tablespace}",
        locks=locked([leaf], ACCESS_EXCLUSIVE),
        altered=(leaf,),
        statements=tuple(statements),
        is_unhurried=not leaf.is_attached,
        unattached=None if leaf.is_attached else leaf,
        unrenamed=leaf if leaf.is_attached else None,
    )
