"""A pool that is too small ends a pass with a sentence, and stops nobody for long."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from pg_timepart.constants import Outcome
from pg_timepart.models import PartitionRun
from tests.plant.models import Measurement, Reading
from tests.plant.observing import locked_tables, observe
from tests.pooler.pooled import PooledInstallation
from tests.pooler.table import Model, label_of, partitioning_of, prepare_old, run_pass
from tests.processes import barrier, forked, session

BOUND_SECONDS = 40.0
"""Every worker must have ended by then; without a bound PgBouncer would let it wait 120 s."""


def ending(model: Model) -> tuple[Outcome, str]:
    report = run_pass(model)
    return report.outcome, report.reason


def test_a_pool_of_one_is_too_small_and_the_pass_says_so(server: PooledInstallation) -> None:
    prepare_old(Reading, interval=2)
    before = observe(Reading)
    with session("onlooker") as onlooker, server.narrow(1):
        with forked(lambda: ending(Reading), "worker") as worker:
            outcome, reason = worker.result(BOUND_SECONDS)
        assert locked_tables(onlooker) == []
    assert outcome is Outcome.DEFERRED
    assert "no second connection" in reason
    assert "default_pool_size" in reason
    assert "MAINTENANCE_DATABASES" in reason
    assert PartitionRun.objects.filter(outcome="deferred").latest("pk").message == reason
    assert before.difference(observe(Reading)) == ""
    assert run_pass(Reading).outcome is Outcome.DONE


def test_those_who_wait_their_turn_take_nothing_of_the_pool(server: PooledInstallation) -> None:
    """With a pool of two, six ask by hand for the same table: each gets what it asked for."""
    prepare_old(Reading)
    gate = barrier(6)

    def work() -> Any:
        gate.wait(30)
        return partitioning_of(Reading).create_partition(0).outcome

    with server.narrow(2), ExitStack() as stack:
        workers = [stack.enter_context(forked(work, f"worker-{n}")) for n in range(6)]
        assert [each.result(BOUND_SECONDS) for each in workers] == [Outcome.DONE] * 6


@pytest.mark.parametrize("pool_size", [2, 3])
def test_passes_that_share_a_small_pool_all_end(server: PooledInstallation, pool_size: int) -> None:
    """Each of two passes may have taken its lock and find no connection left to work with."""
    for model in (Reading, Measurement):
        prepare_old(model, interval=2)
    gate = barrier(2)

    def work(model: Model) -> Any:
        gate.wait(30)
        return ending(model)

    with server.narrow(pool_size), ExitStack() as stack:
        workers = [
            stack.enter_context(forked(lambda: work(model), label_of(model)))  # noqa: B023
            for model in (Reading, Measurement)
        ]
        for outcome, reason in [each.result(BOUND_SECONDS) for each in workers]:
            assert outcome is Outcome.DONE or "no second connection" in reason
