"""Processes that die behind the pooler, and a pooler that dies: the next pass heals it."""

from __future__ import annotations

from itertools import count

import pytest
from django.db import DatabaseError, connection

from pg_timepart.constants import Outcome
from pg_timepart.postgres.sqlstate import is_passing_fault
from tests.apps.plant.models import Measurement, Reading
from tests.pooler.pooled_deployment import PooledInstallation
from tests.pooler.session_leaks import leaks
from tests.pooler.table import Model, parent_held, prepare_old, run_pass
from tests.support.processes import KILLED, Worker, forked, killed_at, session, wait_until
from tests.support.scenarios import pending
from tests.support.table_state import State, locked_tables, observe

VICTIM = "victim"
AT_WORK = """
SELECT pid FROM pg_stat_activity WHERE application_name = %s AND state <> 'idle'
"""


def undisturbed(model: Model) -> State:
    prepare_old(model, interval=2)
    assert run_pass(model).outcome is Outcome.DONE
    return observe(model)


def pass_through(server: PooledInstallation, model: Model) -> Outcome:
    with server.through():
        return run_pass(model).outcome


def at_work() -> list[int]:
    """Return the server processes that still do something for the victim."""
    with connection.cursor() as cursor:
        cursor.execute(AT_WORK, [VICTIM])
        return [pid for (pid,) in cursor.fetchall()]


@pytest.mark.parametrize("model", [Reading, Measurement])
def test_killed_in_the_middle_of_a_detach(server: PooledInstallation, model: Model) -> None:
    """The lock is free at once. The server goes on with the statement, as without a pooler."""
    after = undisturbed(model)
    prepare_old(model, interval=2)
    with parent_held(model), session("onlooker") as onlooker:
        with forked(lambda: pass_through(server, model), VICTIM) as victim:
            wait_until(lambda: pending(model))
            assert locked_tables(onlooker) == [model._meta.db_table]
            victim.kill()
        wait_until(lambda: locked_tables(onlooker) == [])
        assert pending(model)
        assert pass_through(server, model) is not Outcome.FAILED
    wait_until(lambda: not at_work())
    assert pass_through(server, model) in (Outcome.DONE, Outcome.UNCHANGED)
    assert after.difference(observe(model)) == ""
    assert leaks(server) == []


def test_killed_here_and_there(server: PooledInstallation) -> None:
    kill_at_every(7, server, Measurement)


@pytest.mark.long
@pytest.mark.parametrize("model", [Reading, Measurement])
def test_killed_everywhere(server: PooledInstallation, model: Model) -> None:
    kill_at_every(1, server, model)


def kill_at_every(step: int, server: PooledInstallation, model: Model) -> None:
    """Kill a pass at every ``step``-th statement; the next one ends as if nothing had happened."""
    after = undisturbed(model)
    found: list[str] = []
    for point in count(1, step):
        prepare_old(model, interval=2)
        code, place = killed_at(point, lambda: pass_through(server, model), VICTIM)
        if code == 0:
            break
        assert code == KILLED
        wait_until(lambda: not at_work())
        with session("onlooker") as onlooker:
            assert locked_tables(onlooker) == []
        assert pass_through(server, model) in (Outcome.DONE, Outcome.UNCHANGED), place
        difference = after.difference(observe(model))
        found += [f"after {place}\n{difference}"] if difference else []
    assert point > step
    assert not found, "\n".join(found)
    assert leaks(server) == []


def comes_again(worker: Worker) -> bool:
    """Return whether its task would be sent again: which statement was interrupted decides how."""
    try:
        outcome = worker.result()
    except DatabaseError as lost:
        return is_passing_fault(lost)
    return bool(outcome is Outcome.DEFERRED)


def test_the_pooler_dies_in_the_middle_of_a_detach(server: PooledInstallation) -> None:
    after = undisturbed(Reading)
    prepare_old(Reading, interval=2)
    with parent_held(), session("onlooker") as onlooker:
        with forked(lambda: pass_through(server, Reading), VICTIM) as worker:
            wait_until(lambda: pending(Reading))
            server.restart_pooler()
            assert comes_again(worker)
        wait_until(lambda: locked_tables(onlooker) == [])
    wait_until(lambda: not at_work())
    assert pass_through(server, Reading) in (Outcome.DONE, Outcome.UNCHANGED)
    assert after.difference(observe(Reading)) == ""
    assert leaks(server) == []
