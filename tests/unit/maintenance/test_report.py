"""Reports: which deferred runs a task tries again."""

from __future__ import annotations

import pytest

from pg_timepart.constants import ActionKind, Outcome
from pg_timepart.findings import Code
from pg_timepart.maintenance.report import ActionResult, Report


def result(code: Code | None, outcome: Outcome = Outcome.DEFERRED) -> ActionResult:
    return ActionResult(
        kind=ActionKind.DETACH, partition="p", outcome=outcome, seconds=0.1, code=code
    )


@pytest.mark.parametrize(
    ("actions", "gave_way"),
    [
        ((), True),
        ((result(None),), True),
        ((result(Code.STILL_REFERRED),), False),
        ((result(Code.STILL_REFERRED), result(None, Outcome.DONE)), False),
        ((result(Code.STILL_REFERRED), result(None)), True),
    ],
)
def test_a_run_gave_way_unless_findings_alone_defer_it(
    actions: tuple[ActionResult, ...], gave_way: bool
) -> None:
    report = Report(
        label="app.model", operation="maintain", outcome=Outcome.DEFERRED, actions=actions
    )
    assert report.gave_way is gave_way
    assert all(each.as_json()["code"] in {"", "still_referred"} for each in actions)
