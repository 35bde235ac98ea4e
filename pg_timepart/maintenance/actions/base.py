"""Base class of the handlers: what an action says, in which order it comes, and how it is done."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from django.dispatch import Signal

from pg_timepart.maintenance.context import Work
from pg_timepart.maintenance.executor import Session
from pg_timepart.models import PartitionLog
from pg_timepart.models.database import keep
from pg_timepart.partitions.plan import Action
from pg_timepart.postgres.steps import Step


class Urgency(IntEnum):
    """When an action's turn comes within its plan, for each action can wait for locks."""

    CLEARS_THE_WAY = 0
    MAKES_ROOM = 1
    THE_REST = 2


@dataclass(slots=True)
class Handler(ABC):
    """One action of a plan. Each kind of action is a subclass.

    A preview asks for ``check`` and ``steps`` and sends nothing; ``perform`` sends these steps.
    """

    verb: ClassVar[str]
    """What it does to a partition, as in "failed to ``verb`` shop_event_20240501_20240601"."""

    past: ClassVar[str]
    """The same in the past: "``past`` shop_event_20240501_20240601"."""

    urgency: ClassVar[Urgency] = Urgency.THE_REST
    signal: ClassVar[Signal | None] = None
    """Sent once it is done and committed."""

    is_rotation: ClassVar[bool] = False
    """Whether any other manager of partitions does the same by itself, so that two would clash."""

    stops_what_follows: ClassVar[bool] = True
    """Whether, if it does not happen, later actions on the same partition are left out."""

    work: Work
    action: Action

    @classmethod
    def destination(cls, action: Action) -> str:  # noqa: ARG003  # for those that have one
        """Return " to ..." where the action is understood only with where it takes the table."""
        return ""

    @property
    def is_urgent(self) -> bool:
        """Whether INSERTs soon fail without it, so that the urgent lock budget holds."""
        return False

    @property
    def note(self) -> str:
        """What may turn out otherwise than ``steps`` said; empty where nothing may."""
        return ""

    def check(self) -> None:
        """Raise a TimepartError where the action cannot be done to the table as last read.

        It is Deferred where it may be done later.
        """
        self.work.own_partition(self.action)

    @abstractmethod
    def steps(self) -> Iterator[Step]:
        """Yield what is sent, each step once the one before was; raises as ``check`` does.

        In a dry run no step is executed, and the table is taken to be as the step leaves it.
        """

    def perform(self, session: Session) -> str:
        """Do it and record it; return why, in words.

        Raises a TimepartError, or the database's error.
        """
        self.work.reread()
        self.check()
        session.run(self.steps())
        return self.action.reason

    def give_up(self, log: PartitionLog, *, may_yet_be_done: bool) -> None:  # noqa: ARG002
        """Take back from the row that the action was begun: it did not happen."""
        keep(log, unfinished="")

    def assume_done(self) -> None:  # noqa: B027  # for those that change what others plan by
        """In a dry run, go on as if the action had ended well."""
