"""Plans for what a person asks for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from pg_timepart.constants import ActionKind, PeriodType
from pg_timepart.errors import InvalidPolicy
from pg_timepart.partitions.planner import plan_attach, plan_detach, plan_next, plan_range
from tests.support.simulated_catalog import (
    at,
    bounds,
    detached,
    monthly,
    parent,
    partition,
    plan_input,
    policy,
    spans,
)

NOW = at("2024-05-15 10:30")


def test_the_next_ones_until_the_newest_ends_late_enough() -> None:
    there = parent(monthly("2024-05-01"))
    assert spans(plan_next(plan_input(there, [], policy(), NOW), 1)) == []
    assert spans(plan_next(plan_input(there, [], policy(), NOW), 17)) == [
        ("2024-06-01", "2024-07-01")
    ]
    assert spans(plan_next(plan_input(there, [], policy(), NOW), 50)) == [
        ("2024-06-01", "2024-07-01"),
        ("2024-07-01", "2024-08-01"),
    ]


def test_the_newest_must_end_more_than_so_many_days_from_now() -> None:
    there = parent(monthly("2024-05-01"))
    assert spans(plan_next(plan_input(there, [], policy(), at("2024-05-31")), 1)) == [
        ("2024-06-01", "2024-07-01")
    ]
    assert spans(plan_next(plan_input(there, [], policy(), at("2024-05-30 23:59:59")), 1)) == []


def test_zero_is_exactly_the_next_one() -> None:
    there = parent(monthly("2030-05-01"))
    assert spans(plan_next(plan_input(there, [], policy(), NOW), 0)) == [
        ("2030-06-01", "2030-07-01")
    ]
    assert spans(plan_next(plan_input(parent(), [], policy(), NOW), 0)) == [
        ("2024-05-01", "2024-06-01")
    ]


def test_the_first_is_the_whole_period_around_now() -> None:
    assert spans(plan_next(plan_input(parent(), [], policy(), NOW), 1)) == [
        ("2024-05-01", "2024-06-01")
    ]
    assert spans(plan_next(plan_input(parent(), [], policy(), NOW), 20)) == [
        ("2024-05-01", "2024-06-01"),
        ("2024-06-01", "2024-07-01"),
    ]


def test_a_change_from_month_to_week() -> None:
    first = [partition(bounds("2018-08-01", "2018-09-01"))]
    wanted = policy(PeriodType.Week)
    assert spans(plan_next(plan_input(parent(first), [], wanted, at("2018-09-01")), 0)) == [
        ("2018-09-01", "2018-09-03")
    ]
    second = [*first, partition(bounds("2018-09-01", "2018-09-03"))]
    assert spans(plan_next(plan_input(parent(second), [], wanted, at("2018-09-01")), 0)) == [
        ("2018-09-03", "2018-09-10")
    ]


def test_after_a_partition_without_end_there_is_no_next() -> None:
    there = parent([partition(bounds("2024-01-01", None))])
    for days in (0, 1, 1000):
        assert plan_next(plan_input(there, [], policy(), NOW), days).is_empty


def test_after_a_default_partition_alone_the_first_is_around_now() -> None:
    assert spans(plan_next(plan_input(parent([partition(None)]), [], policy(), NOW), 0)) == [
        ("2024-05-01", "2024-06-01")
    ]


@pytest.mark.parametrize("days", [-1, 36_526, 1.5, "1", None, True])
def test_days_that_cannot_be_are_refused(days: Any) -> None:
    with pytest.raises(InvalidPolicy, match="must be 0 to 36525, not"):
        plan_next(plan_input(parent(), [], policy(), NOW), days)


def test_too_many_at_once_are_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidPolicy, match=r"More than 2000 partitions are missing: .* smaller"):
        plan_next(plan_input(parent(), [], policy(PeriodType.Minute), NOW), 36_525)
    with pytest.raises(InvalidPolicy, match=r"missing between 2024-01-01 .* and 2024-02-01"):
        plan_range(
            plan_input(parent(), [], policy(PeriodType.Minute), NOW),
            at("2024-01-01"),
            at("2024-02-01"),
        )


def test_a_range_is_widened_to_whole_periods() -> None:
    plan = plan_range(
        plan_input(parent(), [], policy(), NOW), at("2019-11-20"), at("2020-01-01 00:00:01")
    )
    assert spans(plan) == [
        ("2019-11-01", "2019-12-01"),
        ("2019-12-01", "2020-01-01"),
        ("2020-01-01", "2020-02-01"),
    ]


def test_a_range_that_ends_at_a_boundary_is_not_widened() -> None:
    plan = plan_range(plan_input(parent(), [], policy(), NOW), at("2019-11-01"), at("2019-12-01"))
    assert spans(plan) == [("2019-11-01", "2019-12-01")]


def test_a_range_gets_only_what_is_missing_in_it() -> None:
    there = parent(monthly("2024-01-01", "2024-04-01"))
    assert spans(
        plan_range(plan_input(there, [], policy(), NOW), at("2024-01-01"), at("2024-05-01"))
    ) == [
        ("2024-02-01", "2024-03-01"),
        ("2024-03-01", "2024-04-01"),
    ]


@pytest.mark.parametrize("end", ["2024-01-01", "2023-12-31"])
def test_a_range_must_end_after_it_starts(end: str) -> None:
    with pytest.raises(InvalidPolicy, match="must end after it starts"):
        plan_range(plan_input(parent(), [], policy(), NOW), at("2024-01-01"), at(end))


def test_a_range_without_zones_is_refused() -> None:
    naive = datetime(2024, 1, 1)  # noqa: DTZ001
    with pytest.raises(InvalidPolicy, match="has no time zone"):
        plan_range(plan_input(parent(), [], policy(), NOW), naive, naive + timedelta(days=1))
    with pytest.raises(InvalidPolicy, match="has no time zone"):
        plan_range(
            plan_input(parent(), [], policy(), NOW), at("2024-01-01"), naive + timedelta(days=1)
        )


def test_what_is_asked_for_is_detached_and_moved() -> None:
    (leaf,) = monthly("2024-01-01")
    plan = plan_detach(
        plan_input(parent([leaf]), [], policy(detach_tablespace="cold"), NOW), [leaf]
    )
    assert [(each.kind, each.reason) for each in plan.actions] == [
        (ActionKind.DETACH, "asked for"),
        (ActionKind.MOVE, "detached"),
    ]


def test_what_is_attached_goes_to_the_tablespace_of_what_is_attached() -> None:
    off, extent = detached(), bounds("2024-01-01", "2024-02-01")
    (action,) = plan_attach(
        plan_input(parent(), [], policy(attach_tablespace="fast"), NOW), [(off, extent)]
    ).actions
    assert (action.kind, action.bounds, action.tablespace) == (ActionKind.ATTACH, extent, "fast")
