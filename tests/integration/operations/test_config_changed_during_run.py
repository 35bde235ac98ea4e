"""What an operator decides while a run waits, or after one was cut short, is what holds."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import connections, models
from django.test import override_settings

from pg_timepart.errors import OperationDeferred, OperationFailed
from pg_timepart.maintenance import manual
from pg_timepart.maintenance.history import Origin
from pg_timepart.maintenance.maintain import maintain, maintain_all
from pg_timepart.maintenance.target import target_of
from pg_timepart.models import PartitionLog
from tests.apps.plant.models import Reading, Shift
from tests.integration.operations.test_interrupted_runs import PLACE, Enough, ask, enough_after
from tests.support.other_runs import TRYING, another_run_on
from tests.support.processes import Worker, die_at, forked, session, wait_until
from tests.support.table_setup import NOW, old_partition, prepare, run_pass
from tests.support.table_state import change_policy, reset_plant_tables
from tests.support.tablespaces import tablespaces_named

pytestmark = pytest.mark.usefixtures("committing")

LATER = NOW + timedelta(days=999)
LONG_AGO = NOW - timedelta(days=999)
patient = override_settings(PG_TIMEPART={"LOCK_WAIT_SECONDS": 20})


@pytest.fixture(autouse=True)
def plant_tables(committing: None) -> Iterator[None]:
    prepare(Reading)
    yield
    reset_plant_tables()


@contextmanager
def a_report(model: type[models.Model] = Reading) -> Iterator[Callable[[], None]]:
    """Have somebody read the table, for long by now; gives what ends it."""
    with session("report") as report:
        report.execute("BEGIN")
        report.execute(f"SELECT count(*) FROM {model._meta.db_table}")
        report.execute("SELECT pg_sleep(0.4)")
        yield lambda: report.execute("COMMIT")


@contextmanager
def waiting_for_the_report(work: Callable[[], Any]) -> Iterator[Worker]:
    """Have ``work`` wait where it would detach the old partition of Reading."""
    with forked(work, "run") as worker:
        wait_until(is_begun)
        yield worker


def is_begun() -> bool:
    return old_partition(Reading).unfinished == "detach"


def a_pass() -> list[tuple[str, str]]:
    """Run one; return how its actions ended."""
    actions = run_pass(Reading).as_json()["actions"]
    return [(each["action"], each["outcome"]) for each in actions]


def all_passes() -> None:
    maintain_all(now=NOW)


def edit(model: type[models.Model], **facts: Any) -> None:
    PartitionLog.objects.filter(pk=old_partition(model).pk).update(**facts)


def cut_short(work: Callable[..., Any]) -> None:
    """Have a time limit end ``work`` while somebody's report keeps it from detaching."""
    with a_report(), enough_after(30.0):
        ringing = Thread(target=_ring_once_begun)
        ringing.start()
        work(origin=Origin(interruptions=(Enough,)))
        ringing.join()
    assert old_partition(Reading).is_attached


def _ring_once_begun() -> None:
    try:
        wait_until(is_begun)
        os.kill(os.getpid(), signal.SIGALRM)
    finally:
        connections.close_all()


def cut_short_pass(is_killed: bool) -> None:
    """Have a pass end while a report keeps it from detaching: at once, or by a time limit."""
    if not is_killed:
        cut_short(lambda **more: maintain("plant.reading", now=NOW, **more))
        return
    with a_report(), waiting_for_the_report(a_pass) as worker:
        worker.kill()
    assert (old_partition(Reading).unfinished, old_partition(Reading).is_attached) == (
        "detach",
        True,
    )


@patient
def test_an_interval_that_is_taken_back_while_a_run_waits_its_turn() -> None:
    change_policy(Reading, interval=2)

    def detaching() -> str:
        return manual.detach_expired(target_of(Reading), now=NOW).outcome

    with ExitStack() as stack:
        with another_run_on(Reading):
            worker = stack.enter_context(forked(detaching, "run"))
            wait_until(lambda: ask(TRYING, "run"))
            change_policy(Reading, interval=None)
        assert worker.result() == "unchanged"
    assert old_partition(Reading).is_attached


@patient
def test_a_grace_that_is_taken_back_while_another_table_is_at_work() -> None:
    prepare(Shift)
    old_partition(Shift).detach()
    edit(Shift, detached_at=LONG_AGO)
    change_policy(Shift, drop_after=timedelta(days=1))
    change_policy(Reading, interval=2)
    with a_report() as end_report, waiting_for_the_report(all_passes) as worker:
        change_policy(Shift, drop_after=None)
        end_report()
        worker.result()
    assert ask("SELECT to_regclass(%s) IS NOT NULL", old_partition(Shift).table_name)


@patient
def test_a_table_that_is_switched_off_while_another_is_at_work() -> None:
    prepare(Shift, interval=2)
    change_policy(Reading, interval=2)
    with a_report() as end_report, waiting_for_the_report(all_passes) as worker:
        change_policy(Shift, enabled=False)
        end_report()
        worker.result()
    assert old_partition(Shift).is_attached
    assert not old_partition(Reading).is_attached


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_pass_that_is_cut_short_does_not_bind_the_next_one(is_killed: bool) -> None:
    change_policy(Reading, interval=2)
    cut_short_pass(is_killed)
    change_policy(Reading, interval=None)
    assert a_pass() == []
    assert (old_partition(Reading).unfinished, old_partition(Reading).is_attached) == ("", True)
    assert run_pass(Reading).outcome == "unchanged"


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_pass_that_is_cut_short_is_gone_on_with_where_nothing_has_changed(
    is_killed: bool,
) -> None:
    change_policy(Reading, interval=2)
    cut_short_pass(is_killed)
    assert a_pass() == [("detach", "done")]
    assert run_pass(Reading).outcome == "unchanged"


def test_a_detach_by_hand_that_is_cut_short_is_gone_on_with_whatever_the_config_says() -> None:
    cut_short(_try_to_detach)
    assert a_pass() == [("detach", "done")]
    assert (old_partition(Reading).unfinished, old_partition(Reading).is_attached) == ("", False)


def _try_to_detach(**more: Any) -> None:
    with pytest.raises(OperationDeferred):
        manual.detach(target_of(Reading), [old_partition(Reading)], **more)


@patient
def test_a_pin_that_is_edited_while_a_pass_waits_for_a_report() -> None:
    change_policy(Reading, interval=2)
    with a_report() as end_report, waiting_for_the_report(a_pass) as worker:
        edit(Reading, detach_time=LATER)
        end_report()
        assert worker.result() == [("detach", "deferred")]
    assert (old_partition(Reading).is_attached, old_partition(Reading).detach_time) == (True, LATER)
    assert run_pass(Reading).outcome == "unchanged"


def die_before_the_move() -> None:
    """Have a pass die between a detach and its move to a tablespace, which is gone by now."""
    with tablespaces_named("gone"):
        change_policy(Reading, interval=2, detach_tablespace="gone")
        die_at("SET TABLESPACE", a_pass)
    assert not old_partition(Reading).is_attached


def test_a_detach_calls_off_an_attach_that_was_cut_short() -> None:
    old_partition(Reading).detach()
    edit(Reading, detached_at=LONG_AGO)
    with tablespaces_named("fast"):
        change_policy(Reading, attach_tablespace="fast")
        die_at("SET TABLESPACE", lambda: old_partition(Reading).attach())
    change_policy(Reading, attach_tablespace="")
    old_partition(Reading).detach()
    assert run_pass(Reading).outcome == "unchanged"
    old = old_partition(Reading)
    assert (old.is_attached, old.unfinished, old.detached_at) == (False, "", LONG_AGO)


def test_a_move_after_retiring_goes_where_the_config_has_it_by_now() -> None:
    die_before_the_move()
    with tablespaces_named("cellar"):
        change_policy(Reading, detach_tablespace="cellar")
        assert a_pass() == [("move", "done")]
        assert ask(PLACE, old_partition(Reading).relid) == "cellar"
        reset_plant_tables()


def test_a_move_after_retiring_is_over_where_the_config_wants_none_any_more() -> None:
    die_before_the_move()
    change_policy(Reading, detach_tablespace="")
    assert "failed" not in {outcome for _, outcome in a_pass()}
    assert (old_partition(Reading).unfinished, old_partition(Reading).wanted_tablespace) == ("", "")
    assert run_pass(Reading).outcome == "unchanged"


def test_a_move_by_hand_that_cannot_be_done_fails_once() -> None:
    old_partition(Reading).detach()
    with tablespaces_named("gone"):
        die_at("SET TABLESPACE", lambda: old_partition(Reading).set_tablespace("gone"))
    assert a_pass() == [("move", "failed")]
    assert run_pass(Reading).outcome == "unchanged"
    with pytest.raises(OperationFailed, match="no tablespace named 'gone'"):
        old_partition(Reading).set_tablespace("gone")
    assert run_pass(Reading).outcome == "unchanged"
