"""Which edits take partitions or rows away sooner."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pg_timepart.constants import ActionKind, PeriodType
from pg_timepart.partitions.periods import Period
from pg_timepart.partitions.plan import Policy
from pg_timepart.partitions.planner import plan_pass
from pg_timepart.partitions.retention import Pace, Terms, edge_of, taken_sooner
from tests.support.simulated_catalog import at, detached, known, monthly, parent, plan_input, policy

NOW = at("2024-03-01 02:00")
GRACE = timedelta(days=1)


def terms(policy: Policy | None, **facts: Any) -> Terms:
    return Terms(policy=policy, **{"is_enabled": True, **facts})


def sooner(before: Policy, after: Policy) -> tuple[str, ...]:
    return taken_sooner(terms(before), terms(after), NOW)


@pytest.mark.parametrize(
    ("unit", "facts", "expected"),
    [
        (PeriodType.Month, {"interval": 2}, ()),
        (PeriodType.Month, {"interval": 1}, ("retention",)),
        (PeriodType.Month, {"interval": None}, ()),
        (PeriodType.Week, {"interval": 2}, ("retention",)),
        (PeriodType.Year, {"interval": 1}, ()),
        (PeriodType.Day, {"interval": 59}, ("retention",)),
        (PeriodType.Day, {"interval": 60}, ()),
        (PeriodType.Month, {"interval": 2, "drop_after": timedelta(hours=1)}, ("drop_after",)),
        (PeriodType.Month, {"interval": 2, "drop_after": None}, ()),
        (PeriodType.Month, {"interval": 2, "max_retire": 32}, ("max_retire_per_pass",)),
        (PeriodType.Month, {"interval": 2, "max_retire": 30}, ()),
        (PeriodType.Month, {"interval": 1, "max_retire": 32}, ("retention", "max_retire_per_pass")),
    ],
)
def test_an_edit_is_judged_by_the_edge(
    unit: PeriodType, facts: dict[str, Any], expected: tuple[str, ...]
) -> None:
    before = policy(interval=2, drop_after=GRACE)
    assert sooner(before, policy(unit, **{"drop_after": GRACE, **facts})) == expected


def test_the_next_boundary_counts_too() -> None:
    before = policy(interval=1, drop_after=GRACE)
    after = policy(PeriodType.Day, interval=30, drop_after=GRACE)
    # On 1 March a month before is 1 February, and 30 days before is 31 January ...
    assert edge_of(after, NOW) < edge_of(before, NOW)  # type: ignore[operator]
    # ... but on 1 April it is 1 March, and 2 March.
    assert sooner(before, after) == ("retention",)


def test_where_nothing_is_dropped_nothing_is_lost() -> None:
    assert sooner(policy(), policy(interval=1, max_retire=99)) == ()
    assert sooner(policy(), policy(interval=1, drop_after=GRACE)) == ("retention", "drop_after")
    assert sooner(policy(drop_after=GRACE), policy(interval=1)) == ("retention",)


def test_switching_on_takes_away_sooner() -> None:
    wanted = policy(drop_after=GRACE)
    off, on = terms(wanted, is_enabled=False), terms(wanted)
    assert taken_sooner(off, on, NOW) == ("enabled",)
    assert taken_sooner(on, off, NOW) == ()
    broken = terms(None)
    assert "enabled" in taken_sooner(broken, on, NOW)
    assert taken_sooner(on, broken, NOW) == ()


def test_a_schedule_that_comes_sooner_or_more_often_takes_away_sooner() -> None:
    wanted = policy(drop_after=GRACE)
    daily = Pace(next_due=at("2024-03-02"), shortest=timedelta(days=1))

    def judged(before: Pace | None, after: Pace | None) -> tuple[str, ...]:
        return taken_sooner(terms(wanted, pace=before), terms(wanted, pace=after), NOW)

    hourly_from_later = Pace(next_due=at("2024-03-05"), shortest=timedelta(hours=1))
    weekly_from_now = Pace(next_due=NOW, shortest=timedelta(days=7))
    assert judged(daily, hourly_from_later) == ("schedule",)
    assert judged(daily, weekly_from_now) == ("schedule",)
    assert judged(None, daily) == ("schedule",)
    assert judged(daily, None) == ()
    assert judged(daily, daily) == ()


@pytest.mark.parametrize("interval", [2_000, 2_020, 3_000, 2**31 - 1])
@pytest.mark.parametrize("unit", [PeriodType.Year, PeriodType.Month])
def test_an_interval_of_thousands_of_years_keeps_all(unit: PeriodType, interval: int) -> None:
    long = policy(period=Period(unit, 7), interval=interval)
    there = parent(monthly("2024-03-01"))
    plan = plan_pass(plan_input(there, [], long, NOW))
    assert {each.kind for each in plan.actions} == {ActionKind.CREATE}


def test_a_detach_at_the_end_of_the_calendar_is_dropped_by_no_pass() -> None:
    gone = detached()
    row = known(gone, monthly("2020-01-01")[0].bounds, detached_at=at("9999-12-31"))
    there = parent(monthly("2024-03-01"), [gone])
    plan = plan_pass(plan_input(there, [row], policy(drop_after=timedelta(days=36_525)), NOW))
    assert ActionKind.DROP not in {each.kind for each in plan.actions}
