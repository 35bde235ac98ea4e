"""Many processes through one small pool, on one table and on several, beside an application."""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import Any

import pytest
from django.db import connection

from pg_timepart.constants import Outcome
from tests.plant.models import Measurement, Reading
from tests.plant.observing import observe
from tests.plant.scenarios import pending
from tests.pooler.application import Application
from tests.pooler.leaks import leaks
from tests.pooler.pooled import PooledInstallation
from tests.pooler.table import MODELS, Model, parent_held, prepare_old, run_pass
from tests.processes import barrier, forked, wait_until

ADVISORY = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
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


def test_two_processes_for_each_table_beside_an_application(server: PooledInstallation) -> None:
    race(server, rounds=3, workers=2)


@pytest.mark.long
def test_four_processes_for_each_table_beside_an_application(server: PooledInstallation) -> None:
    race(server, rounds=40, workers=4)


def race(server: PooledInstallation, *, rounds: int, workers: int) -> None:
    """Maintain every table in as many processes at once; the end is that of a single one."""
    wanted = {}
    for model in MODELS:
        prepare_old(model, interval=2)
        run_pass(model)
        wanted[model] = observe(model)
    gate = barrier(len(MODELS) * workers + 1)
    found: list[str] = []
    with ExitStack() as stack:
        application = stack.enter_context(Application(server, *QUERIES).at_work())
        crowd = [
            stack.enter_context(forked(lambda: in_step(server, model, rounds, gate), f"worker-{n}"))  # noqa: B023
            for model in MODELS
            for n in range(workers)
        ]
        for _ in range(rounds):
            for model in MODELS:
                prepare_old(model, interval=2)
            gate.wait(60)
            gate.wait(60)
            found += [wanted[each].difference(observe(each)) for each in MODELS]
        endings = [ending for each in crowd for ending in each.result()]
    assert set(found) == {""}
    assert application.errors == []
    assert {outcome for outcome, _ in endings} <= {"done", "unchanged", "deferred"}
    reasons = [reason for outcome, reason in endings if outcome == "deferred"]
    assert all("advisory lock" in each for each in reasons), reasons
    assert leaks(server) == []


def in_step(server: PooledInstallation, model: Model, rounds: int, gate: Any) -> list[Any]:
    """Maintain through the pooler, once a round and again while the pool was too small."""
    endings = []
    with server.through():
        for _ in range(rounds):
            gate.wait(60)
            report = run_pass(model)
            while report.outcome is Outcome.DEFERRED and not report.is_taken:
                endings.append((str(report.outcome), report.reason))
                report = run_pass(model)
            endings.append((str(report.outcome), report.reason))
            gate.wait(60)
    return endings


def through(server: PooledInstallation, model: Model) -> Outcome:
    with server.through():
        return run_pass(model).outcome
