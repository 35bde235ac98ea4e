"""Cells of the lock matrix: one operation beside one transaction that holds the tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from proof.locks.application import Application, jobs, locks_of, working
from proof.locks.holders import HOLDER, HOLDERS, LONG_MS, Holder
from proof.locks.lock_observer import LockObserver, Locks, TakenLocks, hits, observing
from proof.locks.operations import CASES, Case, OperationResult
from proof.locks.worker import Worker

BUDGET_MS = 200
SMALL_BUDGET_MS = 50
"""What is too short to scan a big default partition; the default of LOCK_BUDGET_MS."""

MARGIN_MS = 100

NEVER_LONG_MS = 86_400_000
TRIES_SECONDS = 1.0
GIVING_UP_SECONDS = 0.4
WITH_TIME_SECONDS = 20.0

MAX_ROUNDS = 8

NEVER, MOMENT, BUDGET, ENDLESS = "-", "a moment", "the budget", "as long as it takes"

MODES = (
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
SPELLED = (
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A scene, who is in the way, and since when."""

    case: Case
    holder: Holder | None
    for_long: bool = False
    """Whether the holder has been there for longer than LONG_TRANSACTION_MS."""

    @property
    def budget_ms(self) -> int:
        """LOCK_BUDGET_MS."""
        return SMALL_BUDGET_MS if self.case.table.rest == "big" else BUDGET_MS

    @property
    def bound_ms(self) -> int:
        """How long a statement of the application may wait for us at most."""
        return 2 * self.budget_ms + MARGIN_MS

    @property
    def title(self) -> str:
        """Who is in the way, in words."""
        if self.holder is None:
            return "nobody"
        return f"{self.holder.title}, {'for long' if self.for_long else 'just begun'}"

    def __str__(self) -> str:
        return f"{self.case}: {self.title}"


def _cells(case: Case) -> Iterator[Cell]:
    yield Cell(case=case, holder=None)
    for holder in HOLDERS:
        if holder.may_meet(case.table):
            yield Cell(case=case, holder=holder)
            yield Cell(case=case, holder=holder, for_long=True)


CELLS = tuple(cell for case in CASES for cell in _cells(case))


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """What was found in one cell."""

    outcome: str
    waits: Mapping[str, str]
    """By statement, for how long it may wait, in words."""

    locks: tuple[str, ...] = ()
    """What the operation takes, where nobody is in the way."""

    longest_ms: int = field(default=0, compare=False)
    """The longest wait for us that was seen beside the holder; another in each run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRun:
    """A cell, and all who take part."""

    cell: Cell
    worker: Worker
    application: Application
    observer: LockObserver
    wanted: dict[str, Locks]
    """The locks that each of the application's statements takes before and after."""

    def ask(self, wait_seconds: float) -> OperationResult:
        """Have the operation done, and return how it ended."""
        ending = self._ask(wait_seconds)
        for title, locks in locks_of(self.application.jobs).items():
            self.wanted[title] &= locks
        return ending

    def _ask(self, wait_seconds: float) -> OperationResult:
        limit = LONG_MS if self.cell.for_long else NEVER_LONG_MS
        settings = {
            "LOCK_BUDGET_MS": self.cell.budget_ms,
            "LOCK_WAIT_SECONDS": wait_seconds,
            "LONG_TRANSACTION_MS": limit,
        }
        return self.worker.ask(self.cell.case, settings)

    def words(self, taken: TakenLocks) -> dict[str, str]:
        """Return for each statement how long it may wait for these locks of ours."""
        return {title: _word(wanted, taken) for title, wanted in self.wanted.items()}

    def judge(self, words: Mapping[str, str]) -> float:
        """Hold what the application saw since the last time against the words.

        Return the milliseconds of the longest wait, 0 where none was seen.
        """
        assert not self.application.errors, self.application.errors
        waits = self.observer.take_waits()
        for wait in waits:
            assert words[wait.title] != NEVER, f"{wait} waited for us"
            assert wait.milliseconds <= self.cell.bound_ms, f"{wait} was too long"
        return max((wait.milliseconds for wait in waits), default=0)


def explore(cell: Cell, worker: Worker) -> CellResult:
    """Do the operation beside the holder, and again once it is gone; return what was found."""
    table = cell.case.table
    cell.case.prepare()
    some, roles = jobs(table), table.roles()
    with working(some, cell.bound_ms) as application, observing() as observer:
        cell_run = CellRun(
            cell=cell,
            worker=worker,
            application=application,
            observer=observer,
            wanted=locks_of(some),
        )
        with _holding(cell):
            ending, taken = _run_beside_holder(cell_run)
            words = cell_run.words(taken)
            longest = cell_run.judge(words)
        if ending.outcome != "done":
            again = cell_run.ask(WITH_TIME_SECONDS)
            assert again == OperationResult(outcome="done"), again
        cell_run.judge(cell_run.words(observer.take()))
    locks = _described(taken.held, roles) if cell.holder is None else ()
    return CellResult(outcome=ending.outcome, waits=words, locks=locks, longest_ms=round(longest))


def _holding(cell: Cell) -> AbstractContextManager[None]:
    if cell.holder is None:
        return nullcontext()
    return cell.holder.holding(cell.case.table, for_long=cell.for_long)


def _run_beside_holder(cell_run: CellRun) -> tuple[OperationResult, TakenLocks]:
    """Do it, again while it gives way to somebody else, or who must wait was not seen waiting."""
    cell_run.application.go_round()
    assert not cell_run.observer.take_waits(), "it waits, and not for us"
    cell_run.observer.take()
    taken = TakenLocks()
    for _ in range(MAX_ROUNDS):
        ending = cell_run.ask(GIVING_UP_SECONDS if cell_run.cell.for_long else TRIES_SECONDS)
        taken.add(cell_run.observer.take())
        assert ending.outcome in ("done", "deferred"), ending
        queued = {title for title, word in cell_run.words(taken).items() if word == BUDGET}
        is_seen = _names_the_holder(ending) and queued <= cell_run.observer.waited()
        if ending.outcome == "done" or is_seen:
            return ending, taken
    raise AssertionError(f"{queued - cell_run.observer.waited()} never waited; {ending.reason}")


def _names_the_holder(ending: OperationResult) -> bool:
    """Return whether it gave way to the holder, and not to the application on a busy machine."""
    return f"application '{HOLDER}'" in ending.reason


def _word(wanted: Locks, taken: TakenLocks) -> str:
    if hits(wanted, taken.endless):
        return ENDLESS
    if hits(wanted, taken.while_waiting):
        return BUDGET
    return MOMENT if hits(wanted, taken.held) else NEVER


def _described(held: Iterable[tuple[int, str]], roles: Mapping[int, str]) -> tuple[str, ...]:
    """Return the strongest lock on each table, for those that stop more than other DDL."""
    strongest: dict[str, int] = {}
    for oid, mode in held:
        role = roles.get(oid, "")
        if role and mode in MODES:
            strongest[role] = max(strongest.get(role, 0), MODES.index(mode))
    return tuple(f"{SPELLED[rank]} on {role}" for role, rank in sorted(strongest.items()))
