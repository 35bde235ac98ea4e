"""Plans: examples, one sentence each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pg_timepart.constants import ActionKind, PeriodType
from pg_timepart.errors import InvalidPolicy
from pg_timepart.keys import DateKey
from pg_timepart.models import MAX_PREMAKE
from pg_timepart.periods import Bounds, Period
from pg_timepart.planning import (
    MAX_CREATE,
    Plan,
    plan_attach,
    plan_detach,
    plan_next,
    plan_pass,
    plan_provision,
    plan_range,
    plan_retirement,
    runs_out_at,
    uncovered,
)
from tests.unit.planned import (
    Table,
    at,
    bounds,
    detached,
    known,
    monthly,
    parent,
    partition,
    policy,
)

NOW = at("2024-05-15 10:30")


def spans(plan: Plan, kind: ActionKind = ActionKind.CREATE) -> list[tuple[str, str]]:
    """Return the bounds of the plan's actions of this kind, as days or moments in UTC."""
    return [
        (_text(each.bounds.start), _text(each.bounds.end))
        for each in plan.actions
        if each.kind is kind and each.bounds is not None
    ]


def _text(moment: datetime | None) -> str:
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M}".removesuffix(" 00:00")


def retired(plan: Plan) -> list[tuple[str, str]]:
    return spans(plan, ActionKind.DETACH)


# Room ahead


def test_an_empty_table_gets_the_current_period_and_premake_more() -> None:
    assert spans(plan_pass(parent(), [], policy(), NOW)) == [
        ("2024-05-01", "2024-06-01"),
        ("2024-06-01", "2024-07-01"),
        ("2024-07-01", "2024-08-01"),
    ]


def test_at_a_boundary_the_period_that_begins_is_the_current_one() -> None:
    plan = plan_pass(parent(), [], policy(premake=1), at("2024-06-01"))
    assert spans(plan) == [("2024-06-01", "2024-07-01"), ("2024-07-01", "2024-08-01")]


def test_with_everything_there_the_plan_is_empty() -> None:
    there = parent(monthly("2024-05-01", "2024-06-01", "2024-07-01"))
    assert plan_pass(there, [], policy(), NOW) == Plan()
    assert plan_pass(there, [], policy(), NOW).is_empty


def test_names_are_of_table_and_bounds() -> None:
    plan = plan_pass(parent(), [], policy(premake=1), NOW)
    assert [each.partition for each in plan.actions] == [
        "shop_event_20240501_20240601",
        "shop_event_20240601_20240701",
    ]


def test_what_is_missing_in_the_middle_of_the_room_ahead_is_made() -> None:
    there = parent(monthly("2024-05-01", "2024-07-01"))
    assert spans(plan_pass(there, [], policy(), NOW)) == [("2024-06-01", "2024-07-01")]


def test_after_a_longer_period_the_rest_is_cut_at_the_boundaries_of_the_new_one() -> None:
    there = parent([partition(bounds("2018-08-01", "2018-09-01"))])
    plan = plan_pass(there, [], policy(PeriodType.Week), at("2018-09-01 12:00"))
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
    plan = plan_pass(parent(weeks), [], policy(premake=1), NOW)
    assert spans(plan) == [
        ("2024-05-01", "2024-05-06"),
        ("2024-05-20", "2024-05-27"),
        ("2024-06-03", "2024-07-01"),
    ]


def test_a_trailing_gap_is_filled_after_a_long_downtime() -> None:
    there = parent(monthly("2024-01-01", "2024-02-01"))
    assert spans(plan_pass(there, [], policy(premake=1), NOW)) == [
        ("2024-03-01", "2024-04-01"),
        ("2024-04-01", "2024-05-01"),
        ("2024-05-01", "2024-06-01"),
        ("2024-06-01", "2024-07-01"),
    ]


def test_a_trailing_gap_is_filled_no_further_than_retention_keeps() -> None:
    there = parent(monthly("2020-01-01"))
    plan = plan_pass(there, [], policy(premake=1, interval=2), NOW)
    assert spans(plan) == [
        ("2024-03-01", "2024-04-01"),
        ("2024-04-01", "2024-05-01"),
        ("2024-05-01", "2024-06-01"),
        ("2024-06-01", "2024-07-01"),
    ]
    assert retired(plan) == [("2020-01-01", "2020-02-01")]


def test_a_trailing_gap_too_wide_to_fill_is_a_problem_and_room_ahead_is_made_all_the_same() -> None:
    there = parent([partition(bounds("1990-01-01", "1990-01-02"))])
    plan = plan_pass(there, [], policy(PeriodType.Day, premake=1), NOW)
    assert spans(plan) == [("2024-05-15", "2024-05-16"), ("2024-05-16", "2024-05-17")]
    (problem,) = plan.problems
    assert "More than 2000 partitions are missing between 1990-01-02" in problem
    assert "timepart create" in problem


def test_an_interior_gap_is_left_to_a_person() -> None:
    there = parent(monthly("2024-01-01", "2024-04-01", "2024-05-01", "2024-06-01", "2024-07-01"))
    assert plan_pass(there, [], policy(), NOW).is_empty


def test_an_interior_gap_is_left_to_a_person_also_before_a_partition_without_end() -> None:
    there = parent([*monthly("2020-01-01"), partition(bounds("2024-01-01", None))])
    assert plan_pass(there, [], policy(), NOW).is_empty


def test_a_partition_in_the_far_future_neither_stops_creating_nor_makes_it_run_away() -> None:
    there = parent([*monthly("2024-05-01"), partition(bounds("2999-01-01", "2999-02-01"))])
    assert spans(plan_pass(there, [], policy(premake=1), NOW)) == [("2024-06-01", "2024-07-01")]


def test_one_partition_for_everything_needs_no_other() -> None:
    assert plan_pass(parent([partition(bounds(None, None))]), [], policy(), NOW).is_empty


def test_minvalue_covers_the_past_alone() -> None:
    there = parent([partition(bounds(None, "2024-05-10"))])
    assert spans(plan_pass(there, [], policy(premake=1), NOW)) == [
        ("2024-05-10", "2024-06-01"),
        ("2024-06-01", "2024-07-01"),
    ]


def test_a_pending_partition_is_no_room_and_is_finalized_first() -> None:
    pending = partition(bounds("2024-05-01", "2024-06-01"), is_pending=True)
    plan = plan_pass(parent([pending]), [], policy(premake=1), NOW)
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
    plan = plan_pass(there, [], policy(attach_tablespace=of_policy), NOW)
    assert {each.tablespace for each in plan.actions} == {expected}


def test_a_default_partition_is_noted_and_is_no_room() -> None:
    there = parent([partition(None, name="shop_event_rest")])
    plan = plan_pass(there, [], policy(premake=1), NOW)
    assert len(spans(plan)) == 2
    assert "shop_event_rest is a default partition" in plan.notes[0]
    assert plan.problems == ()


def test_the_largest_premake_fits_into_one_plan() -> None:
    plan = plan_pass(parent(), [], policy(PeriodType.Hour, premake=MAX_PREMAKE), NOW)
    assert len(spans(plan)) == MAX_PREMAKE + 1
    assert plan.problems == ()


def test_provisioning_creates_and_retires_nothing() -> None:
    there = parent(monthly("2020-01-01"))
    plan = plan_provision(there, [], policy(premake=1, interval=1), NOW)
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
    made = spans(plan_pass(parent(), [], wanted, at(now)))
    assert [(start[8:], end[8:]) for start, end in made] == expected


def test_a_date_key_gets_dates_of_the_zone() -> None:
    zone = ZoneInfo("America/Sao_Paulo")
    plan = plan_pass(parent(), [], policy(PeriodType.Day, zone=zone), at("2018-11-03 12:00"))
    sides = [each.bounds for each in plan.actions if each.bounds]
    assert [DateKey().literal(side.start, zone) for side in sides if side.start] == [
        "2018-11-03",
        "2018-11-04",
        "2018-11-05",
    ]


def test_hours_are_those_of_utc_whatever_the_zone() -> None:
    hour = Period(PeriodType.Hour, 6)
    wanted = policy(period=hour, zone=ZoneInfo("Asia/Kathmandu"), premake=1)
    assert spans(plan_pass(parent(), [], wanted, NOW)) == [
        ("2024-05-15 06:00", "2024-05-15 12:00"),
        ("2024-05-15 12:00", "2024-05-15 18:00"),
    ]


# Retention


def test_what_ended_before_now_minus_the_interval_is_retired() -> None:
    there = parent(monthly(*(f"2024-0{month}-01" for month in range(1, 8))))
    plan = plan_pass(there, [], policy(interval=2), NOW)
    # The edge is 15 March: what ends on 1 April has rows that are younger.
    assert retired(plan) == [("2024-01-01", "2024-02-01"), ("2024-02-01", "2024-03-01")]
    assert spans(plan) == []


def test_what_ends_exactly_at_the_edge_stays() -> None:
    there = parent(monthly("2024-03-01", "2024-04-01", "2024-05-01", "2024-06-01", "2024-07-01"))
    assert retired(plan_pass(there, [], policy(interval=1), at("2024-05-01"))) == []
    later = plan_pass(there, [], policy(interval=1), at("2024-05-01 00:00:01"))
    assert retired(later) == [("2024-03-01", "2024-04-01")]


def test_without_an_interval_nothing_is_retired() -> None:
    there = parent(monthly("1999-01-01", "2024-05-01", "2024-06-01", "2024-07-01"))
    assert plan_pass(there, [], policy(interval=None), NOW).is_empty


def test_a_gap_does_not_stop_retention() -> None:
    there = parent(monthly("2020-01-01", "2022-01-01", "2024-05-01", "2024-06-01", "2024-07-01"))
    plan = plan_pass(there, [], policy(interval=1), NOW)
    assert retired(plan) == [("2020-01-01", "2020-02-01"), ("2022-01-01", "2022-02-01")]


def test_a_year_that_is_not_over_for_long_enough_stays_whole() -> None:
    years = [
        partition(bounds(f"{year}-01-01", f"{year + 1}-01-01")) for year in (2024, 2025, 2026, 2027)
    ]
    wanted = policy(PeriodType.Year, interval=1, premake=1)
    assert retired(plan_pass(parent(years), [], wanted, at("2026-04-15"))) == [
        ("2024-01-01", "2025-01-01")
    ]


def test_a_period_changed_from_monthly_to_daily_retires_no_younger_row() -> None:
    there = parent(monthly("2024-03-01", "2024-04-01", "2024-05-01", "2024-06-01"))
    wanted = policy(PeriodType.Day, interval=30, premake=1)
    # 30 days before 15 May is 15 April: April has rows of the last 30 days.
    assert retired(plan_pass(there, [], wanted, NOW)) == [("2024-03-01", "2024-04-01")]


def test_minvalue_is_retired_by_its_end_and_maxvalue_never() -> None:
    there = parent([partition(bounds(None, "2020-01-01")), partition(bounds("2020-01-01", None))])
    assert retired(plan_pass(there, [], policy(interval=1), NOW)) == [("-", "2020-01-01")]


def test_an_interval_from_before_the_calendar_began_keeps_all_and_makes_room_as_ever() -> None:
    there = parent(monthly("0001-02-01", "2024-04-01"))
    plan = plan_pass(there, [], policy(interval=10_000_000, premake=1), NOW)
    assert retired(plan) == []
    assert spans(plan) == [("2024-05-01", "2024-06-01"), ("2024-06-01", "2024-07-01")]


def test_a_default_partition_is_never_retired() -> None:
    there = parent([partition(None), *monthly("2024-05-01", "2024-06-01", "2024-07-01")])
    assert plan_pass(there, [], policy(interval=1), NOW).actions == ()


def test_a_pin_holds_until_it_is_over() -> None:
    old, *rest = monthly("2020-01-01", "2024-05-01", "2024-06-01", "2024-07-01")
    there, wanted = parent([old, *rest]), policy(interval=1)
    for until, expected in (
        (NOW + timedelta(seconds=1), []),
        (NOW, [("2020-01-01", "2020-02-01")]),
    ):
        rows = [known(old, pinned_until=until)]
        assert retired(plan_pass(there, rows, wanted, NOW)) == expected
        assert retired(plan_retirement(there, rows, wanted, NOW)) == expected


def test_what_is_retired_moves_to_where_detached_ones_live() -> None:
    old = [
        replace(monthly("2020-01-01")[0], tablespace="archive"),
        *monthly("2020-02-01", "2024-05-01", "2024-06-01", "2024-07-01"),
    ]
    wanted = policy(interval=1, detach_tablespace="archive")
    plan = plan_pass(parent(old), [], wanted, NOW)
    assert [(each.kind, each.partition, each.tablespace) for each in plan.actions] == [
        (ActionKind.DETACH, old[0].name, "archive"),
        (ActionKind.DETACH, old[1].name, "archive"),
        (ActionKind.MOVE, old[1].name, "archive"),
    ]


def months_of(year: int) -> list[Any]:
    return monthly(*(f"{year}-{month:02}-01" for month in range(1, 13)))


def test_the_fuse_stops_all_retiring_and_nothing_else() -> None:
    plan = plan_pass(parent(months_of(2022)), [], policy(interval=1, max_retire=11), NOW)
    assert retired(plan) == []
    assert spans(plan) != []
    (problem,) = plan.problems
    assert problem == (
        "12 partitions are past retention, more than the 11 that one pass may detach, so none was"
        " detached. If the interval is right, run `timepart detach --expired` for this model or"
        " raise its max_retire_per_pass."
    )
    assert not plan.is_empty


def test_the_fuse_holds_as_many_as_it_says() -> None:
    plan = plan_pass(parent(months_of(2022)), [], policy(interval=1, max_retire=12), NOW)
    assert len(retired(plan)) == 12
    assert plan.problems == ()


def test_the_fuse_is_for_passes_and_not_for_what_a_person_asks_for() -> None:
    plan = plan_retirement(parent(months_of(2022)), [], policy(interval=1, max_retire=1), NOW)
    assert len(retired(plan)) == 12


# What was interrupted


@pytest.mark.parametrize("kind", [ActionKind.MOVE, ActionKind.ATTACH, ActionKind.DROP])
def test_what_began_on_a_detached_table_and_did_not_end_is_ended(kind: ActionKind) -> None:
    off = detached()
    extent = bounds("2020-01-01", "2020-02-01")
    there = parent(monthly("2024-05-01", "2024-06-01", "2024-07-01"), [off])
    rows = [known(off, extent, unfinished=kind, tablespace="archive")]
    (action,) = plan_pass(there, rows, policy(), NOW).actions
    assert (action.kind, action.oid, action.bounds) == (kind, off.oid, extent)
    assert (action.tablespace, action.reason) == ("archive", "was interrupted")


def test_a_detach_that_never_began_is_done_once() -> None:
    old, *rest = monthly("2020-01-01", "2024-05-01", "2024-06-01", "2024-07-01")
    rows = [known(old, unfinished=ActionKind.DETACH)]
    plan = plan_pass(parent([old, *rest]), rows, policy(interval=1), NOW)
    assert [each.kind for each in plan.actions] == [ActionKind.DETACH]


@pytest.mark.parametrize(
    ("kind", "is_attached"), [(ActionKind.DETACH, False), (ActionKind.ATTACH, True)]
)
def test_what_the_catalog_shows_as_ended_is_not_done_again(
    kind: ActionKind, is_attached: bool
) -> None:
    (leaf,) = monthly("2024-01-01")
    off = detached()
    there = monthly("2024-05-01", "2024-06-01", "2024-07-01")
    subject = leaf if is_attached else off
    rows = [known(subject, bounds("2024-01-01", "2024-02-01"), unfinished=kind)]
    there_now = parent([leaf, *there] if is_attached else there, [] if is_attached else [off])
    assert plan_pass(there_now, rows, policy(), NOW).is_empty


def test_a_row_whose_table_is_gone_asks_for_nothing() -> None:
    rows = [known(detached(), bounds("2020-01-01", "2020-02-01"), unfinished=ActionKind.DROP)]
    there = parent(monthly("2024-05-01", "2024-06-01", "2024-07-01"))
    assert plan_pass(there, rows, policy(), NOW).is_empty


# Drop


def drops(grace: timedelta | None, **facts: Any) -> list[ActionKind]:
    off = detached()
    there = parent(monthly("2024-05-01", "2024-06-01", "2024-07-01"), [off])
    rows = [known(off, bounds("2020-01-01", "2020-02-01"), **facts)]
    plan = plan_pass(there, rows, policy(drop_after=grace), NOW)
    return [each.kind for each in plan.actions]


def test_nothing_is_dropped_without_a_grace() -> None:
    assert drops(None, detached_at=at("2020-03-01")) == []


def test_a_table_is_dropped_once_its_grace_is_over() -> None:
    week = timedelta(days=7)
    assert drops(week, detached_at=NOW - week) == [ActionKind.DROP]
    assert drops(week, detached_at=NOW - week + timedelta(microseconds=1)) == []


def test_a_table_is_not_dropped_where_nobody_knows_since_when_it_is_detached() -> None:
    assert drops(timedelta(0)) == []


def test_a_table_is_not_dropped_before_its_move_has_ended() -> None:
    facts = {"detached_at": at("2020-03-01"), "unfinished": ActionKind.MOVE, "tablespace": "cold"}
    assert drops(timedelta(days=1), **facts) == [ActionKind.MOVE]


def test_a_table_without_a_row_is_not_dropped() -> None:
    there = parent(monthly("2024-05-01", "2024-06-01", "2024-07-01"), [detached()])
    assert plan_pass(there, [], policy(drop_after=timedelta(0)), NOW).is_empty


def test_the_order_is_what_blocks_then_what_was_begun_then_room_then_the_rest() -> None:
    pending = partition(bounds("2019-01-01", "2019-02-01"), is_pending=True)
    half, gone, (old,) = detached(), detached(), monthly("2020-01-01")
    extent = bounds("2018-01-01", "2018-02-01")
    rows = [
        known(half, extent, unfinished=ActionKind.MOVE, tablespace="cold", detached_at=NOW),
        known(gone, extent, detached_at=at("2020-01-01")),
    ]
    wanted = policy(interval=60, drop_after=timedelta(days=1), premake=1)
    table = Table(parent([pending, old], [half, gone]), rows, wanted)
    kinds = [each.kind for each in table.plan(at("2026-01-01")).actions]
    assert list(dict.fromkeys(kinds)) == [
        ActionKind.FINALIZE,
        ActionKind.MOVE,
        ActionKind.CREATE,
        ActionKind.DETACH,
        ActionKind.DROP,
    ]


# By hand


def test_the_next_ones_until_the_newest_ends_late_enough() -> None:
    there = parent(monthly("2024-05-01"))
    assert spans(plan_next(there, policy(), NOW, 1)) == []
    assert spans(plan_next(there, policy(), NOW, 17)) == [("2024-06-01", "2024-07-01")]
    assert spans(plan_next(there, policy(), NOW, 50)) == [
        ("2024-06-01", "2024-07-01"),
        ("2024-07-01", "2024-08-01"),
    ]


def test_the_newest_must_end_more_than_so_many_days_from_now() -> None:
    there = parent(monthly("2024-05-01"))
    assert spans(plan_next(there, policy(), at("2024-05-31"), 1)) == [("2024-06-01", "2024-07-01")]
    assert spans(plan_next(there, policy(), at("2024-05-30 23:59:59"), 1)) == []


def test_zero_is_exactly_the_next_one() -> None:
    there = parent(monthly("2030-05-01"))
    assert spans(plan_next(there, policy(), NOW, 0)) == [("2030-06-01", "2030-07-01")]
    assert spans(plan_next(parent(), policy(), NOW, 0)) == [("2024-05-01", "2024-06-01")]


def test_the_first_is_the_whole_period_around_now() -> None:
    assert spans(plan_next(parent(), policy(), NOW, 1)) == [("2024-05-01", "2024-06-01")]
    assert spans(plan_next(parent(), policy(), NOW, 20)) == [
        ("2024-05-01", "2024-06-01"),
        ("2024-06-01", "2024-07-01"),
    ]


def test_a_change_from_month_to_week() -> None:
    first = [partition(bounds("2018-08-01", "2018-09-01"))]
    wanted = policy(PeriodType.Week)
    assert spans(plan_next(parent(first), wanted, at("2018-09-01"), 0)) == [
        ("2018-09-01", "2018-09-03")
    ]
    second = [*first, partition(bounds("2018-09-01", "2018-09-03"))]
    assert spans(plan_next(parent(second), wanted, at("2018-09-01"), 0)) == [
        ("2018-09-03", "2018-09-10")
    ]


def test_after_a_partition_without_end_there_is_no_next() -> None:
    there = parent([partition(bounds("2024-01-01", None))])
    for days in (0, 1, 1000):
        assert plan_next(there, policy(), NOW, days).is_empty


def test_after_a_default_partition_alone_the_first_is_around_now() -> None:
    assert spans(plan_next(parent([partition(None)]), policy(), NOW, 0)) == [
        ("2024-05-01", "2024-06-01")
    ]


@pytest.mark.parametrize("days", [-1, 36_526, 1.5, "1", None, True])
def test_days_that_cannot_be_are_refused(days: Any) -> None:
    with pytest.raises(InvalidPolicy, match="must be 0 to 36525, not"):
        plan_next(parent(), policy(), NOW, days)


def test_too_many_at_once_are_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidPolicy, match=r"More than 2000 partitions are missing: .* smaller"):
        plan_next(parent(), policy(PeriodType.Minute), NOW, 36_525)
    with pytest.raises(InvalidPolicy, match=r"missing between 2024-01-01 .* and 2024-02-01"):
        plan_range(parent(), policy(PeriodType.Minute), at("2024-01-01"), at("2024-02-01"))


def test_a_range_is_widened_to_whole_periods() -> None:
    plan = plan_range(parent(), policy(), at("2019-11-20"), at("2020-01-01 00:00:01"))
    assert spans(plan) == [
        ("2019-11-01", "2019-12-01"),
        ("2019-12-01", "2020-01-01"),
        ("2020-01-01", "2020-02-01"),
    ]


def test_a_range_that_ends_at_a_boundary_is_not_widened() -> None:
    plan = plan_range(parent(), policy(), at("2019-11-01"), at("2019-12-01"))
    assert spans(plan) == [("2019-11-01", "2019-12-01")]


def test_a_range_gets_only_what_is_missing_in_it() -> None:
    there = parent(monthly("2024-01-01", "2024-04-01"))
    assert spans(plan_range(there, policy(), at("2024-01-01"), at("2024-05-01"))) == [
        ("2024-02-01", "2024-03-01"),
        ("2024-03-01", "2024-04-01"),
    ]


@pytest.mark.parametrize("end", ["2024-01-01", "2023-12-31"])
def test_a_range_must_end_after_it_starts(end: str) -> None:
    with pytest.raises(InvalidPolicy, match="must end after it starts"):
        plan_range(parent(), policy(), at("2024-01-01"), at(end))


def test_a_range_without_zones_is_refused() -> None:
    naive = datetime(2024, 1, 1)  # noqa: DTZ001
    with pytest.raises(InvalidPolicy, match="has no time zone"):
        plan_range(parent(), policy(), naive, naive + timedelta(days=1))
    with pytest.raises(InvalidPolicy, match="has no time zone"):
        plan_range(parent(), policy(), at("2024-01-01"), naive + timedelta(days=1))


def test_what_is_asked_for_is_detached_and_moved() -> None:
    (leaf,) = monthly("2024-01-01")
    plan = plan_detach([leaf], policy(detach_tablespace="cold"))
    assert [(each.kind, each.reason) for each in plan.actions] == [
        (ActionKind.DETACH, "asked for"),
        (ActionKind.MOVE, "detached"),
    ]


def test_what_is_attached_goes_to_the_tablespace_of_what_is_attached() -> None:
    off, extent = detached(), bounds("2024-01-01", "2024-02-01")
    (action,) = plan_attach([(off, extent)], policy(attach_tablespace="fast")).actions
    assert (action.kind, action.bounds, action.tablespace) == (ActionKind.ATTACH, extent, "fast")


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
    for action in plan_pass(parent(), [], wanted, NOW).actions:
        assert isinstance(action.bounds, Bounds)
        assert action.bounds.start is not None
        assert action.bounds.start.tzinfo is UTC
