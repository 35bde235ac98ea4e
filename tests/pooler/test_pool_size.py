"""A pool that is too small ends a pass with a sentence, and stops nobody for long."""

from __future__ import annotations

import re
from configparser import ConfigParser
from contextlib import ExitStack
from typing import Any

import pytest

from pg_timepart.constants import Outcome
from pg_timepart.models import PartitionRun
from tests.apps.plant.models import Measurement, Reading
from tests.pooler.pooled_deployment import PooledInstallation
from tests.pooler.table import (
    DAY,
    OLD,
    Model,
    label_of,
    parent_held,
    partitioning_of,
    prepare_old,
    run_pass,
)
from tests.support.checkout import CHECKOUT
from tests.support.processes import barrier, forked, session, wait_until
from tests.support.scenarios import pending
from tests.support.table_state import locked_tables, observe

SCARCE = re.compile("no (second|third) connection")

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


def test_a_pool_of_two_is_too_small_for_a_concurrent_detach_which_stops_nobody(
    server: PooledInstallation,
) -> None:
    prepare_old(Measurement, interval=2)
    partitioning_of(Measurement).create_range(OLD + DAY, OLD + 2 * DAY)
    with parent_held(Measurement), session("application") as application, server.narrow(2):
        with forked(lambda: ending(Measurement), "worker") as worker:
            while worker.process.exitcode is None:
                application.execute("SET lock_timeout = '500ms'")
                application.execute("INSERT INTO plant_machine (name) VALUES ('drill')")
            outcome, reason = worker.result(BOUND_SECONDS)
    assert outcome is Outcome.DEFERRED
    assert "no third connection" in reason
    assert "default_pool_size" in reason
    assert run_pass(Measurement).outcome is Outcome.DONE


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
            assert outcome is Outcome.DONE or SCARCE.search(reason), reason


def test_a_pooler_that_ends_idle_transactions_takes_the_lock_and_the_run_says_so(
    server: PooledInstallation,
) -> None:
    prepare_old(Reading, interval=2)
    partitioning_of(Reading).create_range(OLD + DAY, OLD + 2 * DAY)
    with parent_held() as reader, session("onlooker") as onlooker:
        with server.narrow(4, idle_transaction_timeout="1"):
            with forked(lambda: ending(Reading), "worker") as worker:
                wait_until(lambda: pending(Reading))
                wait_until(lambda: not locked_tables(onlooker))
                reader.execute("ROLLBACK")
                outcome, reason = worker.result(BOUND_SECONDS)
    assert outcome is Outcome.DEFERRED
    assert "advisory lock was lost" in reason
    assert run_pass(Reading).outcome is Outcome.DONE


def test_the_sample_is_enough_for_a_pass(server: PooledInstallation) -> None:
    sample = ConfigParser()
    sample.read(CHECKOUT / "deploy" / "pgbouncer" / "pgbouncer.ini")
    settings = dict(sample["pgbouncer"])
    for own in ("auth_file", "listen_port"):
        del settings[own]
    prepare_old(Reading, interval=2)
    with server.narrow(**settings):
        assert run_pass(Reading).outcome is Outcome.DONE


def test_the_documented_file_is_the_sample() -> None:
    sample = _lines((CHECKOUT / "deploy" / "pgbouncer" / "pgbouncer.ini").read_text())
    documented = (
        (CHECKOUT / "docs" / "pgbouncer.md").read_text().split("```ini\n")[1].split("```")[0]
    )
    assert _lines(documented) <= sample


def _lines(text: str) -> set[str]:
    lines = (line.partition(";")[0].strip() for line in text.splitlines())
    return {line for line in lines if line}
