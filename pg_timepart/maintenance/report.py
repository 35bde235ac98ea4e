"""Reports of runs, as values that a task returns, a command prints and a record keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pg_timepart.constants import ActionKind, Outcome
from pg_timepart.errors import OperationDeferred, OperationFailed
from pg_timepart.findings import Code, Finding, findings_as_json

_WORST_FIRST = (Outcome.FAILED, Outcome.DEFERRED, Outcome.DONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionResult:
    """How one action on one partition ended."""

    kind: ActionKind
    partition: str
    outcome: Outcome
    seconds: float
    """Wall time of the action, the waiting included."""

    waited_seconds: float = 0.0
    """How much of it was waiting for locks."""

    detail: str = ""
    """The reason why it was done, or why not."""

    oid: int | None = None
    """The partition's OID; None for one that was created."""

    code: Code | None = None
    """The code of the finding that kept it from being done, where there is one."""

    is_passing: bool = False
    """Whether it failed because the server lacked a resource, which it may soon have again."""

    statements: tuple[str, ...] = ()
    """The SQL that ran, without the taking of locks."""

    def as_json(self) -> dict[str, Any]:
        """Return it as a task's result has it."""
        return {
            "action": self.kind.value,
            "partition": self.partition,
            "outcome": self.outcome.value,
            "seconds": round(self.seconds, 3),
            "waited_seconds": round(self.waited_seconds, 3),
            "detail": self.detail,
            "code": self.code.value if self.code else "",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How one run on one model ended."""

    label: str
    operation: str
    """``maintain``, ``create``, ..., as a person asked for it."""

    outcome: Outcome
    actions: tuple[ActionResult, ...] = ()
    problems: tuple[Finding, ...] = ()
    """What a person must decide."""

    repairs: tuple[Finding, ...] = ()
    """Changes that our logs needed."""

    notes: tuple[Finding, ...] = ()
    """Findings that need nobody to act."""

    message: str = ""
    """One sentence where the run as a whole was deferred or failed."""

    is_taken: bool = False
    """Whether it was deferred because another run has the table."""

    @property
    def is_passing(self) -> bool:
        """Whether an action failed because the server lacked a resource for the moment."""
        return any(each.is_passing for each in self.actions)

    @property
    def gave_way(self) -> bool:
        """Whether it was deferred for a lock, which may soon be free, and not for findings only."""
        late = (each.code for each in self.actions if each.outcome is Outcome.DEFERRED)
        return self.outcome is Outcome.DEFERRED and is_for_a_lock(late)

    @property
    def reason(self) -> str:
        """Everything that kept the run from ending well, in one line."""
        bad = (Outcome.DEFERRED, Outcome.FAILED)
        details = (
            f"{each.partition}: {each.detail}" for each in self.actions if each.outcome in bad
        )
        return " ".join(filter(None, (self.message, *map(str, self.problems), *details)))

    def as_json(self) -> dict[str, Any]:
        """Return it as a task's result: JSON types only."""
        return {
            "model": self.label,
            "operation": self.operation,
            "outcome": self.outcome.value,
            "message": self.message,
            "actions": [each.as_json() for each in self.actions],
            **findings_as_json(problems=self.problems, repairs=self.repairs, notes=self.notes),
        }


def overall(
    actions: Iterable[ActionResult], problems: Iterable[Finding], repairs: Iterable[Finding]
) -> Outcome:
    """Return the worst of what happened; ``unchanged`` if nothing did."""
    found = {each.outcome for each in actions}
    if any(problems):
        found.add(Outcome.FAILED)
    if any(repairs):
        found.add(Outcome.DONE)
    return next((each for each in _WORST_FIRST if each in found), Outcome.UNCHANGED)


def is_for_a_lock(codes: Iterable[str | None]) -> bool:
    """Return whether a run was deferred for a lock, by the codes of its deferred actions.

    One without any such action never got that far; an action without a code waited for a lock.
    """
    found = [*codes]
    return not found or not all(found)


def report_of(work: Callable[[], Report]) -> Report:
    """Return the report of an operation, also where it was deferred or failed."""
    try:
        return work()
    except (OperationDeferred, OperationFailed) as error:
        if not isinstance(error.report, Report):
            raise
        return error.report
