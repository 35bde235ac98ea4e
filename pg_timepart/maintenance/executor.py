"""Run the steps of an action within the lock budget; record the statements and their times."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.errors import Deferred, InsideTransaction, Refused
from pg_timepart.postgres.catalog import has_its_name, has_no_parent
from pg_timepart.postgres.ddl import Statement
from pg_timepart.postgres.driver import as_text
from pg_timepart.postgres.lock_attempts import Attempt, bounded
from pg_timepart.postgres.lock_holders import Holder
from pg_timepart.postgres.lock_waits import (
    Budget,
    HolderAges,
    LockTimeout,
    Waiting,
    advice_on,
    pause,
    wait_for_short,
)
from pg_timepart.postgres.sqlstate import LOCK_NOT_OBTAINED, QUERY_CANCELED, sqlstate
from pg_timepart.postgres.steps import Step
from pg_timepart.postgres.watchdog import guarded

MOST_TOO_SLOW = 3
"""How often a step is tried whose own statements take too long."""


@dataclass(slots=True, kw_only=True)
class Session:
    """The connection of one action, with the statements that it ran and the time that it waited."""

    connection: BaseDatabaseWrapper
    budget: Budget
    waiting: Waiting = field(default_factory=Waiting)
    statements: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """Sentences to add to the action's reason, however it ended."""

    made: str | None = None
    """The name of a new partition, where it is not the planned one."""

    def run(self, steps: Iterable[Step]) -> None:
        """Run each step in a transaction of its own; see ``locks.bounded`` for what is raised."""
        for step in steps:
            self._run_one(step)

    def run_alone(
        self,
        step: Step,
        *,
        find_holders: Callable[[], list[Holder]],
        limit_seconds: float,
        may_repeat: Callable[[], bool],
    ) -> bool:
        """Run a statement that cannot be in a transaction; return whether it completed.

        Waits first, without a lock request, until ``find_holders`` finds no long-standing holder.
        The statement is cancelled once it takes longer than ``limit_seconds``, or before sessions
        behind it have waited longer than the budget, and tried again where ``may_repeat`` then
        says so. Raises InsideTransaction, and LockTimeout once time is up and nothing has begun.
        """
        if self.connection.in_atomic_block:
            raise InsideTransaction(
                "A concurrent detach cannot run inside a transaction. Call it outside of atomic(),"
                " or pass concurrently=False, which holds an exclusive lock on the table until"
                " the transaction ends."
            )
        deadline = time.monotonic() + self.budget.wait_seconds
        ages = HolderAges(self.budget.long_transaction_ms)
        while True:
            left = replace(self.budget, wait_seconds=max(deadline - time.monotonic(), 0.0))
            wait_for_short(find_holders, left, self.waiting, step.summary)
            if self._try_alone(step, limit_seconds):
                return True
            if not may_repeat():
                return False
            holders = self.waiting.holders = find_holders()
            if time.monotonic() >= deadline:
                advice = advice_on(ages, holders, self.budget, is_queued=True)
                raise LockTimeout(step.summary, self.waiting.seconds, holders, advice)
            self.statements.pop()
            pause(self.waiting)

    def _try_alone(self, step: Step, limit_seconds: float) -> bool:
        """Run the statement once, watched; return False where it was cancelled."""
        (statement,) = step.statements
        text = as_text(statement, self.connection)
        try:
            with guarded(
                self.connection,
                text,
                budget_ms=self.budget.lock_ms,
                limit_seconds=limit_seconds,
            ):
                self._execute(step.statements)
        except OperationalError as error:
            if sqlstate(error) not in LOCK_NOT_OBTAINED:
                raise
            self.waiting.tries += 1
            return False
        return True

    def _run_one(self, step: Step) -> None:
        begun = len(self.statements)
        refused_if_slow = _Slowness()

        def setup() -> None:
            del self.statements[begun:]
            self._execute(step.setup)

        def body() -> None:
            _require_same_tables(self.connection, step)
            if step.is_unhurried:
                self._execute(step.statements)
            else:
                with refused_if_slow(step):
                    self._execute_within_budget(step.statements)

        attempt = Attempt(
            what=step.summary,
            setup=setup,
            locks=step.locks,
            implicit_locks=step.implicit_locks,
            altered=step.altered,
            awaits_snapshots=step.awaits_snapshots,
            body=body,
            tablespace=step.tablespace,
            is_unhurried=step.is_unhurried,
        )
        bounded(self.connection, attempt, budget=self.budget, waiting=self.waiting)

    def _execute_within_budget(self, statements: Iterable[Statement]) -> None:
        """Execute the statements; all together may take no longer than the limit for one."""
        begun = time.monotonic()
        for number, statement in enumerate(statements):
            if number:
                left = self.budget.lock_ms - (time.monotonic() - begun) * 1000
                with self.connection.cursor() as cursor:
                    cursor.execute(f"SET LOCAL statement_timeout = {max(int(left), 1)}")
            self._execute([statement])

    def _execute(self, statements: Iterable[Statement]) -> None:
        with self.connection.cursor() as cursor:
            for statement in statements:
                text = as_text(statement, self.connection)
                self.statements.append(text)
                cursor.execute(text)


def _require_same_tables(connection: BaseDatabaseWrapper, step: Step) -> None:
    """Raise Deferred where a table was attached or renamed before its lock was had."""
    if step.unattached is not None and not has_no_parent(connection, step.unattached):
        raise Deferred(f"Another session has just attached or renamed {step.unattached.name}.")
    if step.unrenamed is not None and not has_its_name(connection, step.unrenamed):
        raise Deferred(f"{step.unrenamed.name} is another table by now, or none.")


@dataclass(slots=True)
class _Slowness:
    """Counts how often the statements of one step were cancelled under their locks."""

    times: int = 0

    @contextmanager
    def __call__(self, step: Step) -> Iterator[None]:
        """Run the block; raise Refused once it was too slow too often, if the step says so."""
        try:
            yield
        except OperationalError as error:
            self.times += sqlstate(error) == QUERY_CANCELED
            if step.refusal and self.times >= MOST_TOO_SLOW:
                raise Refused(step.refusal) from error
            raise


def open_session(
    connection: BaseDatabaseWrapper, budget: Budget, waited_seconds: float = 0.0
) -> Session:
    """Return a session with what is left of the run's limit for waiting.

    When nothing is left, each lock is still requested once.
    """
    connection.ensure_connection()
    left = max(budget.wait_seconds - waited_seconds, 0.0)
    return Session(connection=connection, budget=replace(budget, wait_seconds=left))
