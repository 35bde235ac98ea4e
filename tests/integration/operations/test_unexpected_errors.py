"""An error that nobody foresaw: it is recorded, and stops no other partition and no other table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction

from pg_timepart.errors import OperationFailed
from pg_timepart.maintenance.maintain import maintain, maintain_all
from pg_timepart.maintenance.report import Report
from pg_timepart.partitions.plan import Plan, PlanInput
from pg_timepart.partitions.planner import plan_pass
from pg_timepart.postgres.create_steps import create_steps
from pg_timepart.schema.registry import only_decorated
from tests.apps.fleet.models import Cargo, Ship
from tests.support.command_line import timepart
from tests.support.database import Database, at, outcomes

MAY = at("2024-05-15 10:30")
JUNE = "fleet_ship_20240601_20240701"


class Unforeseen(Exception):
    """A message that no text column takes."""

    def __str__(self) -> str:
        return "NUL \0, half a pair \ud800,\nand a line"


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.fixture(autouse=True)
def no_tracebacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is logged goes from each process of pytest-xdist to the first as UTF-8."""
    monkeypatch.setattr("logging.Formatter.formatException", lambda *_: "a traceback")


@pytest.fixture
def defective_june(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """Let the making of June's partition raise what is in the list, once its table is there."""
    raised: list[Exception] = [Unforeseen()]

    def steps(parent: Any, template: Any, leaf: Any, *rest: Any) -> Any:
        yield from create_steps(parent, template, leaf, *rest)
        if leaf.name == JUNE and raised:
            raise raised[0]

    monkeypatch.setattr("pg_timepart.maintenance.actions.create.create_steps", steps)
    return raised


def reason_of_june(report: Report) -> str:
    assert outcomes(report) == [("create", "done"), ("create", "failed"), ("create", "done")]
    (bad,) = (each for each in report.actions if each.outcome == "failed")
    assert bad.partition == JUNE
    return bad.detail


def test_an_action_that_meets_a_defect_of_ours_fails_and_the_others_go_on(
    database: Database, defective_june: list[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    reason = reason_of_june(maintain("fleet.ship", now=MAY))
    assert "defect of pg_timepart" in reason
    assert r"Unforeseen: NUL , half a pair \ud800, and a line" in reason
    assert any(each.exc_info and each.exc_info[0] is Unforeseen for each in caplog.records)
    (run,) = database.runs(Ship)
    assert (run.outcome, reason in [each["detail"] for each in run.actions]) == ("failed", True)
    defective_june.clear()
    assert maintain("fleet.ship", now=MAY).outcome != "failed"


def test_also_one_that_cannot_say_what_it_is(
    database: Database, defective_june: list[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    defective_june[:] = [Unspeakable()]
    assert "Unspeakable" in reason_of_june(maintain("fleet.ship", now=MAY))
    caplog.clear()


def test_a_time_limit_is_no_defect(database: Database, defective_june: list[Exception]) -> None:
    """Where a task of the project's own calls us, the limit is that task's to end by."""
    defective_june[:] = [SoftTimeLimitExceeded()]
    with pytest.raises(SoftTimeLimitExceeded):
        maintain("fleet.ship", now=MAY)


@pytest.mark.parametrize("defect", [KeyboardInterrupt, SystemExit])
def test_nor_is_the_wish_to_stop(
    database: Database, defective_june: list[Any], defect: type[BaseException]
) -> None:
    defective_june[:] = [defect()]
    with pytest.raises(defect):
        maintain("fleet.ship", now=MAY)


def test_inside_a_transaction_of_the_caller_it_takes_nothing_with_it(
    database: Database, defective_june: list[Exception]
) -> None:
    with transaction.atomic():
        Ship.partitioning.create_range(at("2024-05-01"), at("2024-06-01"))
        Ship.objects.create(sailed_at=MAY)
        with pytest.raises(OperationFailed, match="defect of pg_timepart"):
            Ship.partitioning.create_range(at("2024-06-01"), at("2024-07-01"))
    assert Ship.objects.count() == 1


@pytest.fixture
def ships_have_no_plan(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:

    def defective(given: PlanInput) -> Plan:
        if given.parent.name == "fleet_ship":
            raise Unforeseen
        return plan_pass(given)

    monkeypatch.setattr("pg_timepart.maintenance.maintain.plan_pass", defective)
    with only_decorated(Ship, Cargo):
        yield


def test_a_run_that_meets_a_defect_is_recorded_and_stops_no_other_table(
    database: Database, ships_have_no_plan: None
) -> None:
    reports = {each.label: each for each in maintain_all(now=MAY)}
    assert [reports[each].outcome for each in ("fleet.ship", "fleet.cargo")] == ["failed", "done"]
    (run,) = database.runs(Ship)
    assert "defect of pg_timepart" in run.message
    assert len(database.ranges(Cargo)) == 3


def test_the_command_says_so_and_goes_on(database: Database, ships_have_no_plan: None) -> None:
    ended = timepart("maintain", "fleet.ship", "fleet.cargo")
    assert ended.status == 1
    assert "Unforeseen" in "".join([*ended.lines, ended.error])
    assert len(database.ranges(Cargo)) == 3
