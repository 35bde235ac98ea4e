"""Connections that are lost at any statement, and what is recorded of it."""

from __future__ import annotations

from collections.abc import Callable

from pg_timepart.constants import Outcome
from pg_timepart.errors import OperationDeferred
from pg_timepart.models import PartitionRun
from tests.support.fault_injection import Fault
from tests.support.processes import Act, Interruption, interrupted_at

SENTENCE = (
    "The connection to the server was lost or refused. What was begun is ended by the next run."
)


def losing_connections(act: Act) -> Fault:
    """Return the fault that does ``act``, which ends connections.

    It asserts that the caller learns of the loss, or that all was done nonetheless, and that the
    run is recorded once either way.
    """

    def fault(point: int, work: Callable[[], object]) -> str | None:
        PartitionRun.objects.all().delete()
        interrupted = interrupted_at(point, work, act)
        assert interrupted.place is None or _is_recorded(interrupted), interrupted
        return interrupted.place

    return fault


def _is_recorded(interrupted: Interruption) -> bool:
    """Return whether the run is recorded once, as it ended for its caller."""
    runs = list(PartitionRun.objects.all())
    if not runs:
        return _is_before_the_run(interrupted)
    (run,) = runs
    if interrupted.error is None:
        return run.outcome in (Outcome.DONE, Outcome.DEFERRED)
    if isinstance(interrupted.error, OperationDeferred):
        return run.outcome == Outcome.DEFERRED
    return run.outcome == Outcome.FAILED and SENTENCE in run.message


def _is_before_the_run(interrupted: Interruption) -> bool:
    """Whether it was the pin of what shall be attached: no run began, its caller has the error."""
    is_pin = 'SET "detach_time" = NULL WHERE' in (interrupted.place or "")
    return is_pin and interrupted.error is not None
