"""Plans: room ahead, in any zone, and what is covered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pg_timepart.constants import ActionKind, PeriodType
from pg_timepart.models import MAX_PREMAKE
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.coverage import runs_out_at, uncovered
from pg_timepart.partitions.key_formats.dates import DateKey
from pg_timepart.partitions.periods import Period
from pg_timepart.partitions.plan import Plan
from pg_timepart.partitions.planner import MAX_CREATE, plan_pass, plan_provision
from tests.support.simulated_catalog import (
    at,
    bounds,
    monthly,
    parent,
    partition,
    plan_input,
    policy,
    retired,
    spans,
)

NOW = at("2024-05-15 10:30")


def test_an_empty_table_gets_the_current_period_and_premake_more() -> None:
    assert spans(plan_pass(plan_input(parent(), [], policy(), NOW))) == [
        ("2024-05-01", "2024-06-01"),
        ("2024-06-01", "2024-07-01"),
        ("2024-07-01", "2024-08-01"),
    ]


def test_at_a_boundary_the_period_that_begins_is_the_current_one() -> None:
    plan = plan_pass(plan_input(parent(), [], policy(premake=1), at("2024-06-01")))
    assert spans(plan) == [("2024-06-01", "2024-07-01"), ("2024-07-01", "2024-08-01")]


def test_with_everything_there_the_plan_is_empty() -> None:
    there = parent(monthly("2024-05-01", "2024-06-01", "2024-07-01"))
    assert plan_pass(plan_input(there, [], policy(), NOW)) == Plan()
    assert plan_pass(plan_input(there, [], policy(), NOW)).is_empty


def test_names_are_of_table_and_bounds() -> None:
    plan = plan_pass(plan_input(parent(), [], policy(premake=1), NOW))
    assert [each.partition for each in plan.actions] == [
        "shop_event_20240501_20240601",
        "shop_event_20240601_20240701",
    ]


def test_what_is_missing_in_the_middle_of_the_room_ahead_is_made() -> None:
    there = parent(monthly("2024-05-01", "2024-07-01"))
    assert spans(plan_pass(plan_input(there, [], policy(), NOW))) == [("2024-06-01", "2024-07-01")]


def test_after_a_longer_period_the_rest_is_cut_at_the_boundaries_of_the_new_one() -> None:
    there = parent([partition(bounds("2018-08-01", "2018-09-01"))])
    plan = plan_pass(plan_input(there, [], policy(PeriodType.Week), at("2018-09-01 12:00")))
    assert spans(plan) == [
        ("2018-09-01", "2018-09-03"),
        ("2018-09-03", "2018-09-10"),
        ("2018-09-10", "2018-09-17"),
    ]


def test_after_a_shorter_period_nothing_overlaps_what_is_there() -> None:
    weeks = [
        partition(bounds("2024-05-06", "2024-05-13")),
        partition(bounds("2024-05-13", "2024-05-20")),
        partition(bounds("2024-05-27", "2024-06-03")),
    ]
    plan = plan_pass(plan_input(parent(weeks), [], policy(premake=1), NOW))
    assert spans(plan) == [
        ("2024-05-01", "2024-05-06"),
        ("2024-05-20", "2024-05-27"),
        ("2024-06-03", "2024-07-01"),
    ]


def test_a_trailing_gap_is_filled_after_a_long_downtime() -> None:
    there = parent(monthly("2024-01-01", "2024-02-01"))
    assert spans(plan_pass(plan_input(there, [], policy(premake=1), NOW))) == [
        ("2024-03-01", "2024-04-01"),
        ("2024-04-01", "2024-05-01"),
        ("2024-05-01", "2024-06-01"),
        ("2024-06-01", "2024-07-01"),
    ]


def test_a_trailing_gap_is_filled_no_further_than_retention_keeps() -> None:
    there = parent(monthly("2020-01-01"))
    plan = plan_pass(plan_input(there, [], policy(premake=1, interval=2), NOW))
    assert spans(plan) == [
        ("2024-03-01", "2024-04-01"),
        ("2024-04-01", "2024-05-01"),
        ("2024-05-01", "2024-06-01"),
        ("2024-06-01", "2024-07-01"),
    ]
    assert retired(plan) == [("2020-01-01", "2020-02-01")]


def test_a_trailing_gap_too_wide_to_fill_is_a_problem_and_room_ahead_is_made_all_the_same() -> None:
    there = parent([partition(bounds("1990-01-01", "1990-01-02"))])
    plan = plan_pass(plan_input(there, [], policy(PeriodType.Day, premake=1), NOW))
    assert spans(plan) == [("2024-05-15", "2024-05-16"), ("2024-05-16", "2024-05-17")]
    (problem,) = map(str, plan.problems)
    assert "More than 2000 partitions are missing between 1990-01-02" in problem
    assert "timepart create" in problem


def test_an_interior_gap_is_left_to_a_person() -> None:
    there = parent(monthly("2024-01-01", "2024-04-01", "2024-05-01", "2024-06-01", "2024-07-01"))
    assert plan_pass(plan_input(there, [], policy(), NOW)).is_empty


def test_an_interior_gap_is_left_to_a_person_also_before_a_partition_without_end() -> None:
    there = parent([*monthly("2020-01-01"), partition(bounds("2024-01-01", None))])
    assert plan_pass(plan_input(there, [], policy(), NOW)).is_empty


def test_a_partition_in_the_far_future_neither_stops_creating_nor_makes_it_run_away() -> None:
    there = parent([*monthly("2024-05-01"), partition(bounds("2999-01-01", "2999-02-01"))])
    assert spans(plan_pass(plan_input(there, [], policy(premake=1), NOW))) == [
        ("2024-06-01", "2024-07-01")
    ]


def test_one_partition_for_everything_needs_no_other() -> None:
    assert plan_pass(
        plan_input(parent([partition(bounds(None, None))]), [], policy(), NOW)
    ).is_empty


def test_minvalue_covers_the_past_alone() -> None:
    there = parent([partition(bounds(None, "2024-05-10"))])
    assert spans(plan_pass(plan_input(there, [], policy(premake=1), NOW))) == [
        ("2024-05-10", "2024-06-01"),
        ("2024-06-01", "2024-07-01"),
    ]


def test_a_pending_partition_is_no_room_and_is_finalized_first() -> None:
    pending = partition(bounds("2024-05-01", "2024-06-01"), is_pending=True)
    plan = plan_pass(plan_input(parent([pending]), [], policy(premake=1), NOW))
    assert [each.kind for each in plan.actions] == [
        ActionKind.FINALIZE,
        ActionKind.CREATE,
        ActionKind.CREATE,
    ]
    assert plan.actions[0].partition == pending.name
    assert spans(plan) == [("2024-05-01", "2024-06-01"), ("2024-06-01", "2024-07-01")]


@pytest.mark.parametrize(
    ("of_parent", "of_policy", "expected"),
    [
        (None, None, None),
        ("warm", None, "warm"),
        (None, "fast", "fast"),
        ("warm", "fast", "fast"),
    ],
)
def test_a_new_partition_lives_where_the_policy_says_or_else_the_parent(
    of_parent: str | None, of_policy: str | None, expected: str | None
) -> None:
    there = parent(tablespace=of_parent)
    plan = plan_pass(plan_input(there, [], policy(attach_tablespace=of_policy), NOW))
    assert {each.tablespace for each in plan.actions} == {expected}


def test_a_default_partition_is_noted_and_is_no_room() -> None:
    there = parent([partition(None, name="shop_event_rest")])
    plan = plan_pass(plan_input(there, [], policy(premake=1), NOW))
    assert len(spans(plan)) == 2
    assert "shop_event_rest is a default partition" in plan.notes[0].sentence
    assert plan.problems == ()


def test_the_largest_premake_fits_into_one_plan() -> None:
    plan = plan_pass(plan_input(parent(), [], policy(PeriodType.Hour, premake=MAX_PREMAKE), NOW))
    assert len(spans(plan)) == MAX_PREMAKE + 1
    assert plan.problems == ()


def test_provisioning_creates_and_retires_nothing() -> None:
    there = parent(monthly("2020-01-01"))
    plan = plan_provision(plan_input(there, [], policy(premake=1, interval=1), NOW))
    assert {each.kind for each in plan.actions} == {ActionKind.CREATE}


# Zones


@pytest.mark.parametrize(
    ("zone", "now", "expected"),
    [
        # Midnight of 4 November 2018 does not exist in Brazil: the day begins at one o'clock.
        (
            "America/Sao_Paulo",
            "2018-11-03 12:00",
            [("03 03:00", "04 03:00"), ("04 03:00", "05 02:00")],
        ),
        # The clocks go back at midnight on 18 February: 17 February has 25 hours.
        (
            "America/Sao_Paulo",
            "2018-02-17 12:00",
            [("17 02:00", "18 03:00"), ("18 03:00", "19 03:00")],
        ),
        ("Europe/Berlin", "2024-03-30 12:00", [("29 23:00", "30 23:00"), ("30 23:00", "31 22:00")]),
        (
            "Asia/Kathmandu",
            "2024-01-10 12:00",
            [("09 18:15", "10 18:15"), ("10 18:15", "11 18:15")],
        ),
    ],
)
def test_days_are_those_of_the_zone(zone: str, now: str, expected: list[tuple[str, str]]) -> None:
    wanted = policy(PeriodType.Day, zone=ZoneInfo(zone), premake=1)
    made = spans(plan_pass(plan_input(parent(), [], wanted, at(now))))
    assert [(start[8:], end[8:]) for start, end in made] == expected


def test_a_date_key_gets_dates_of_the_zone() -> None:
    zone = ZoneInfo("America/Sao_Paulo")
    plan = plan_pass(
        plan_input(parent(), [], policy(PeriodType.Day, zone=zone), at("2018-11-03 12:00"))
    )
    sides = [each.bounds for each in plan.actions if each.bounds]
    assert [DateKey().literal(side.start, zone) for side in sides if side.start] == [
        "2018-11-03",
        "2018-11-04",
        "2018-11-05",
    ]


def test_hours_are_those_of_utc_whatever_the_zone() -> None:
    hour = Period(PeriodType.Hour, 6)
    wanted = policy(period=hour, zone=ZoneInfo("Asia/Kathmandu"), premake=1)
    assert spans(plan_pass(plan_input(parent(), [], wanted, NOW))) == [
        ("2024-05-15 06:00", "2024-05-15 12:00"),
        ("2024-05-15 12:00", "2024-05-15 18:00"),
    ]


# What is covered


def test_uncovered_parts() -> None:
    there = [
        partition(bounds(None, "2024-01-01")),
        *monthly("2024-02-01", "2024-03-01"),
        partition(bounds("2024-05-01", None)),
    ]
    found = list(uncovered(there, at("2023-01-01"), at("2025-01-01")))
    assert found == [bounds("2024-01-01", "2024-02-01"), bounds("2024-04-01", "2024-05-01")]


def test_uncovered_is_all_where_nothing_is() -> None:
    assert list(uncovered([], at("2024-01-01"), at("2024-02-01"))) == [
        bounds("2024-01-01", "2024-02-01")
    ]
    assert list(uncovered([partition(None)], at("2024-01-01"), at("2024-02-01"))) == [
        bounds("2024-01-01", "2024-02-01")
    ]


@pytest.mark.parametrize(
    ("partitions", "expected"),
    [
        ([], NOW),
        (monthly("2024-05-01"), at("2024-06-01")),
        (monthly("2024-05-01", "2024-06-01", "2024-08-01"), at("2024-07-01")),
        (monthly("2024-06-01"), NOW),
        ([partition(bounds("2024-01-01", None))], None),
        ([partition(None)], None),
        ([partition(bounds("2024-05-01", "2024-06-01"), is_pending=True)], NOW),
    ],
)
def test_when_the_first_insert_would_fail(partitions: Any, expected: datetime | None) -> None:
    assert runs_out_at(parent(partitions), NOW) == expected


def test_a_plan_may_hold_what_the_largest_policy_needs() -> None:
    assert MAX_CREATE > MAX_PREMAKE


def test_bounds_of_plans_are_in_utc() -> None:
    wanted = policy(PeriodType.Day, zone=ZoneInfo("Asia/Kathmandu"))
    for action in plan_pass(plan_input(parent(), [], wanted, NOW)).actions:
        assert isinstance(action.bounds, Bounds)
        assert action.bounds.start is not None
        assert action.bounds.start.tzinfo is UTC
