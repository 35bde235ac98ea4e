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
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.plan import Action
from pg_timepart.postgres.steps import Step


class Urgency(IntEnum):
    """Order of actions within a plan: most urgent first, since each can wait for locks."""

    CLEARS_THE_WAY = 0
    MAKES_ROOM = 1
    THE_REST = 2


@dataclass(slots=True)
class Handler(ABC):
    """One action of a plan. Each kind of action is a subclass.

    A preview asks for ``check`` and ``steps`` and sends nothing; ``perform`` sends these steps.
    """

    verb: ClassVar[str]
    """The verb, as in "failed to ``verb`` shop_event_20240501_20240601"."""

    past: ClassVar[str]
    """The participle: "``past`` shop_event_20240501_20240601"."""

    urgency: ClassVar[Urgency] = Urgency.THE_REST
    signal: ClassVar[Signal | None] = None
    """The signal that is sent once the action is committed."""

    is_rotation: ClassVar[bool] = False
    """Whether tools such as pg_partman do the same by themselves, so that both would conflict."""

    stops_what_follows: ClassVar[bool] = True
    """Whether, if it does not happen, later actions on the same partition are left out."""

    work: Work
    action: Action

    @classmethod
    def destination(cls, action: Action) -> str:  # noqa: ARG003  # for those that have one
        """Return " to ..." where the action is understood only with where it takes the table."""
        return ""

    @property
    def bounds(self) -> Bounds:
        """The bounds to attach the partition with; only of actions that do so."""
        assert self.action.bounds is not None  # noqa: S101  # planners give them to these actions
        return self.action.bounds

    @property
    def is_urgent(self) -> bool:
        """Whether INSERTs soon fail without the action, so that the urgent lock budget applies."""
        return False

    @property
    def note(self) -> str:
        """Return what may turn out otherwise than ``steps`` said; empty where nothing may."""
        return ""

    def check(self) -> None:
        """Raise a TimepartError where the action cannot be done to the table as last read.

        It is Deferred where it may be done later.
        """
        self.work.own_partition(self.action)

    @abstractmethod
    def steps(self) -> Iterator[Step]:
        """Yield the steps, each made after the one before was executed; raises as ``check`` does.

        In a dry run no step is executed; the table is assumed to be as the step would leave it.
        """

    def perform(self, session: Session) -> str:
        """Execute the steps and record the change; return how it was done, in words.

        Raises a TimepartError, or the database's error.
        """
        self.work.reread()
        self.check()
        session.run(self.steps())
        return self.action.reason

    def give_up(self, log: PartitionLog, *, may_yet_be_done: bool) -> None:  # noqa: ARG002
        """Remove from the log that the action was begun: it did not happen."""
        keep(log, unfinished="")

    def assume_done(self) -> None:  # noqa: B027  # for those that change what others plan by
        """In a dry run, change the table as last read as the action would have."""
