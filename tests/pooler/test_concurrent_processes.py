"""Many processes through one small pool, on one table and on several, beside an application."""

from __future__ import annotations

import re
from contextlib import ExitStack, suppress
from functools import partial
from threading import BrokenBarrierError
from typing import Any

import pytest
from django.db import connection

from pg_timepart.constants import Outcome
from pg_timepart.models import PartitionRun
from tests.apps.plant.models import Measurement, Reading
from tests.pooler.application import Application
from tests.pooler.concurrent_operations import (
    ROWS,
    Part,
    done_kinds,
    every_kind,
    hands_on,
    prepare_everything,
    rows_of,
    until_done,
)
from tests.pooler.pooled_deployment import PooledInstallation
from tests.pooler.session_leaks import leaks
from tests.pooler.table import MODELS, Model, label_of, parent_held, prepare_old, run_pass
from tests.support.processes import barrier, forked, wait_until
from tests.support.scenarios import pending
from tests.support.table_state import State, observe

ADVISORY = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
HOLDER = re.compile(r"pid \d+ \(application 'one'")
GIVES_WAY = re.compile("advisory lock|is pending, and the server allows one at a time")
"""What may keep one of several from its work for a while: another, or a pool that is too small."""

QUERIES = (
    "INSERT INTO plant_machine (name) VALUES ('new')",
    *(f"SELECT count(*) FROM {each._meta.db_table}" for each in MODELS),
)


def test_the_second_pass_names_who_has_the_table(server: PooledInstallation) -> None:
    prepare_old(Reading, interval=2)
    with parent_held() as reader:
        with forked(lambda: through(server, Reading), "worker-1") as first:
            wait_until(lambda: pending(Reading))
            with server.through():
                second = run_pass(Reading)
            assert (second.outcome, second.is_taken) == (Outcome.DEFERRED, True)
            named = re.search(r"pid (\d+) \(application 'worker-1'", second.reason)
            with connection.cursor() as cursor:
                cursor.execute(ADVISORY)
                assert named is not None
                assert cursor.fetchall() == [(int(named[1]),)]
            with server.through():
                assert run_pass(Measurement).outcome in (Outcome.DONE, Outcome.UNCHANGED)
            reader.execute("ROLLBACK")
            assert first.result() is Outcome.DONE
    assert leaks(server) == []


def test_every_operation_at_once_beside_an_application(
    server: PooledInstallation, archive: str
) -> None:
    race(server, archive, rounds=2, passes=2)


@pytest.mark.long
def test_every_operation_at_once_in_many_rounds(server: PooledInstallation, archive: str) -> None:
    race(server, archive, rounds=40, passes=4)


def race(server: PooledInstallation, archive: str, *, rounds: int, passes: int) -> None:
    """Have passes and people at every table at once; the end is that of one after the other."""
    everybody = (*[(run_pass,)] * passes, *hands_on(archive))
    wanted = {model: one_after_the_other(model, archive, everybody) for model in MODELS}
    gate = barrier(len(MODELS) * len(everybody) + 1)
    with ExitStack() as stack:
        application = stack.enter_context(Application(server, *QUERIES).at_work())
        crowd = [
            stack.enter_context(forked(partial(in_step, server, model, each, rounds, gate), "one"))
            for model in MODELS
            for each in everybody
        ]
        with suppress(BrokenBarrierError):
            for _ in range(rounds):
                for model in MODELS:
                    prepare_everything(model, archive)
                gate.wait(60)
                gate.wait(120)
                for model in MODELS:
                    assert_all_is_done(model, wanted[model])
        reasons = [reason for each in crowd for reason in each.result()]
        assert not gate.broken
    assert application.errors == []
    assert [each for each in reasons if not GIVES_WAY.search(each)] == []
    assert any(HOLDER.search(each) for each in reasons), "they never met"
    assert leaks(server) == []


def one_after_the_other(model: Model, archive: str, everybody: tuple[Part, ...]) -> State:
    """Return what becomes of a table without a pooler, and without anybody else."""
    prepare_everything(model, archive)
    for part in everybody:
        for work in part:
            assert work(model).outcome is not Outcome.FAILED
    assert done_kinds(model) == every_kind(model)
    return observe(model)


def assert_all_is_done(model: Model, wanted: State) -> None:
    assert wanted.difference(observe(model)) == ""
    assert rows_of(model) == ROWS
    assert done_kinds(model) == every_kind(model)
    assert not PartitionRun.objects.filter(model_label=label_of(model), outcome="failed").exists()
    assert run_pass(model).outcome is Outcome.UNCHANGED


def in_step(
    server: PooledInstallation, model: Model, part: Part, rounds: int, gate: Any
) -> list[str]:
    """Do a part through the pooler in each round; return why something had to be asked again.

    If that fails, nobody waits at the gate any more.
    """
    reasons = []
    with suppress(BrokenBarrierError), server.through(), ExitStack() as stack:
        stack.callback(gate.abort)
        for _ in range(rounds):
            gate.wait(60)
            for work in part:
                reasons += until_done(work, model)
            gate.wait(120)
        stack.pop_all()
    return reasons


def through(server: PooledInstallation, model: Model) -> Outcome:
    with server.through():
        return run_pass(model).outcome
