"""Connections that are lost at any statement, and what is recorded of it."""

from __future__ import annotations

from collections.abc import Callable

from pg_timepart.constants import Outcome
from pg_timepart.errors import OperationDeferred
from pg_timepart.models import PartitionRun
from tests.support.fault_injection import Strike
from tests.support.processes import Act, Struck, struck_at

SENTENCE = (
    "The connection to the server was lost or refused. What was begun is ended by the next run."
)


def losing_connections(act: Act) -> Strike:
    """Return what strikes with ``act``, which ends connections.

    It asserts that the caller learns of the loss, or that all was done nonetheless, and that the
    run is recorded once either way.
    """

    def strike(point: int, work: Callable[[], object]) -> str | None:
        PartitionRun.objects.all().delete()
        struck = struck_at(point, work, act)
        assert struck.place is None or _is_recorded(struck), struck
        return struck.place

    return strike


def _is_recorded(struck: Struck) -> bool:
    """Return whether the run is recorded once, as it ended for its caller."""
    runs = list(PartitionRun.objects.all())
    if not runs:
        return _is_before_the_run(struck)
    (run,) = runs
    if struck.error is None:
        return run.outcome in (Outcome.DONE, Outcome.DEFERRED)
    if isinstance(struck.error, OperationDeferred):
        return run.outcome == Outcome.DEFERRED
    return run.outcome == Outcome.FAILED and SENTENCE in run.message


def _is_before_the_run(struck: Struck) -> bool:
    """Whether it was the pin of what shall be attached: no run began, its caller has the error."""
    is_pin = 'SET "detach_time" = NULL WHERE' in (struck.place or "")
    return is_pin and struck.error is not None
