"""Plans: retention, what was interrupted, and what is dropped."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pg_timepart.constants import ActionKind, PeriodType
from pg_timepart.partitions.planner import plan_pass, plan_retirement
from tests.support.simulated_catalog import (
    Table,
    at,
    bounds,
    detached,
    known,
    monthly,
    parent,
    partition,
    plan_input,
    policy,
    retired,
    spans,
)

NOW = at("2024-05-15 10:30")


def test_what_ended_before_now_minus_the_interval_is_retired() -> None:
    there = parent(monthly(*(f"2024-0{month}-01" for month in range(1, 8))))
    plan = plan_pass(plan_input(there, [], policy(interval=2), NOW))
    # The edge is 15 March: what ends on 1 April has rows that are younger.
    assert retired(plan) == [("2024-01-01", "2024-02-01"), ("2024-02-01", "2024-03-01")]
    assert spans(plan) == []


def test_what_ends_exactly_at_the_edge_stays() -> None:
    there = parent(monthly("2024-03-01", "2024-04-01", "2024-05-01", "2024-06-01", "2024-07-01"))
    assert retired(plan_pass(plan_input(there, [], policy(interval=1), at("2024-05-01")))) == []
    later = plan_pass(plan_input(there, [], policy(interval=1), at("2024-05-01 00:00:01")))
    assert retired(later) == [("2024-03-01", "2024-04-01")]


def test_without_an_interval_nothing_is_retired() -> None:
    there = parent(monthly("1999-01-01", "2024-05-01", "2024-06-01", "2024-07-01"))
    assert plan_pass(plan_input(there, [], policy(interval=None), NOW)).is_empty


def test_a_gap_does_not_stop_retention() -> None:
    there = parent(monthly("2020-01-01", "2022-01-01", "2024-05-01", "2024-06-01", "2024-07-01"))
    plan = plan_pass(plan_input(there, [], policy(interval=1), NOW))
    assert retired(plan) == [("2020-01-01", "2020-02-01"), ("2022-01-01", "2022-02-01")]


def test_a_year_that_is_not_over_for_long_enough_stays_whole() -> None:
    years = [
        partition(bounds(f"{year}-01-01", f"{year + 1}-01-01")) for year in (2024, 2025, 2026, 2027)
    ]
    wanted = policy(PeriodType.Year, interval=1, premake=1)
    assert retired(plan_pass(plan_input(parent(years), [], wanted, at("2026-04-15")))) == [
        ("2024-01-01", "2025-01-01")
    ]


def test_a_period_changed_from_monthly_to_daily_retires_no_younger_row() -> None:
    there = parent(monthly("2024-03-01", "2024-04-01", "2024-05-01", "2024-06-01"))
    wanted = policy(PeriodType.Day, interval=30, premake=1)
    # 30 days before 15 May is 15 April: April has rows of the last 30 days.
    assert retired(plan_pass(plan_input(there, [], wanted, NOW))) == [("2024-03-01", "2024-04-01")]


def test_minvalue_is_retired_by_its_end_and_maxvalue_never() -> None:
    there = parent([partition(bounds(None, "2020-01-01")), partition(bounds("2020-01-01", None))])
    assert retired(plan_pass(plan_input(there, [], policy(interval=1), NOW))) == [
        ("-", "2020-01-01")
    ]


def test_an_interval_from_before_the_calendar_began_keeps_all_and_makes_room_as_ever() -> None:
    there = parent(monthly("0001-02-01", "2024-04-01"))
    plan = plan_pass(plan_input(there, [], policy(interval=10_000_000, premake=1), NOW))
    assert retired(plan) == []
    assert spans(plan) == [("2024-05-01", "2024-06-01"), ("2024-06-01", "2024-07-01")]


def test_a_default_partition_is_never_retired() -> None:
    there = parent([partition(None), *monthly("2024-05-01", "2024-06-01", "2024-07-01")])
    assert plan_pass(plan_input(there, [], policy(interval=1), NOW)).actions == ()


def test_a_pin_holds_until_it_is_over() -> None:
    old, *rest = monthly("2020-01-01", "2024-05-01", "2024-06-01", "2024-07-01")
    there, wanted = parent([old, *rest]), policy(interval=1)
    for until, expected in (
        (NOW + timedelta(seconds=1), []),
        (NOW, [("2020-01-01", "2020-02-01")]),
    ):
        rows = [known(old, pinned_until=until)]
        assert retired(plan_pass(plan_input(there, rows, wanted, NOW))) == expected
        assert retired(plan_retirement(plan_input(there, rows, wanted, NOW))) == expected


def test_what_is_retired_moves_to_where_detached_ones_live() -> None:
    old = [
        replace(monthly("2020-01-01")[0], tablespace="archive"),
        *monthly("2020-02-01", "2024-05-01", "2024-06-01", "2024-07-01"),
    ]
    wanted = policy(interval=1, detach_tablespace="archive")
    plan = plan_pass(plan_input(parent(old), [], wanted, NOW))
    assert [(each.kind, each.partition, each.tablespace) for each in plan.actions] == [
        (ActionKind.DETACH, old[0].name, "archive"),
        (ActionKind.DETACH, old[1].name, "archive"),
        (ActionKind.MOVE, old[1].name, "archive"),
    ]


def months_of(year: int) -> list[Any]:
    return monthly(*(f"{year}-{month:02}-01" for month in range(1, 13)))


def test_the_fuse_stops_all_retiring_and_nothing_else() -> None:
    plan = plan_pass(
        plan_input(parent(months_of(2022)), [], policy(interval=1, max_retire=11), NOW)
    )
    assert retired(plan) == []
    assert spans(plan) != []
    (problem,) = map(str, plan.problems)
    assert problem == (
        "12 partitions are past retention, more than the 11 that one pass may detach, so none was"
        " detached. If the interval is right, run `timepart detach --expired` for this model or"
        " raise its max_retire_per_pass."
    )
    assert not plan.is_empty


def test_the_fuse_holds_as_many_as_it_says() -> None:
    plan = plan_pass(
        plan_input(parent(months_of(2022)), [], policy(interval=1, max_retire=12), NOW)
    )
    assert len(retired(plan)) == 12
    assert plan.problems == ()


def test_the_fuse_is_for_passes_and_not_for_what_a_person_asks_for() -> None:
    plan = plan_retirement(
        plan_input(parent(months_of(2022)), [], policy(interval=1, max_retire=1), NOW)
    )
    assert len(retired(plan)) == 12


# What was interrupted


@pytest.mark.parametrize("kind", [ActionKind.MOVE, ActionKind.ATTACH, ActionKind.DROP])
def test_what_began_on_a_detached_table_and_did_not_end_is_ended(kind: ActionKind) -> None:
    off = detached()
    extent = bounds("2020-01-01", "2020-02-01")
    there = parent(monthly("2024-05-01", "2024-06-01", "2024-07-01"), [off])
    rows = [known(off, extent, unfinished=kind, is_asked=True, tablespace="archive")]
    (action,) = plan_pass(plan_input(there, rows, policy(), NOW)).actions
    assert (action.kind, action.oid, action.bounds) == (kind, off.oid, extent)
    assert (action.tablespace, action.reason) == ("archive", "was interrupted")


@pytest.mark.parametrize(
    ("is_asked", "interval", "reason"),
    [
        (True, 1, "was interrupted"),
        (True, None, "was interrupted"),
        (False, 1, "past retention"),
        (False, None, None),
    ],
)
def test_a_detach_that_never_began_is_done_once_if_asked_for_or_due(
    is_asked: bool, interval: int | None, reason: str | None
) -> None:
    old, *rest = monthly("2020-01-01", "2024-05-01", "2024-06-01", "2024-07-01")
    rows = [known(old, unfinished=ActionKind.DETACH, is_asked=is_asked)]
    plan = plan_pass(plan_input(parent([old, *rest]), rows, policy(interval=interval), NOW))
    found = [(each.kind, each.reason) for each in plan.actions]
    assert found == ([(ActionKind.DETACH, reason)] if reason else [])


@pytest.mark.parametrize(
    ("is_asked", "wanted", "goes_to"),
    [(True, "attic", "cold"), (False, "attic", "attic"), (False, None, "pg_default")],
)
def test_a_move_that_was_interrupted_goes_where_it_is_wanted_by_now(
    is_asked: bool, wanted: str | None, goes_to: str
) -> None:
    """Where nobody asked for it and none is wanted any more, it is ended where the table is."""
    off = detached()
    there = parent(monthly("2024-05-01", "2024-06-01", "2024-07-01"), [off])
    facts: dict[str, Any] = {"unfinished": ActionKind.MOVE, "is_asked": is_asked}
    rows = [known(off, bounds("2020-01-01", "2020-02-01"), tablespace="cold", **facts)]
    (action,) = plan_pass(plan_input(there, rows, policy(detach_tablespace=wanted), NOW)).actions
    assert (action.kind, action.tablespace) == (ActionKind.MOVE, goes_to)


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
    assert plan_pass(plan_input(there_now, rows, policy(), NOW)).is_empty


def test_a_row_whose_table_is_gone_asks_for_nothing() -> None:
    rows = [known(detached(), bounds("2020-01-01", "2020-02-01"), unfinished=ActionKind.DROP)]
    there = parent(monthly("2024-05-01", "2024-06-01", "2024-07-01"))
    assert plan_pass(plan_input(there, rows, policy(), NOW)).is_empty


# Drop


def drops(grace: timedelta | None, **facts: Any) -> list[ActionKind]:
    off = detached()
    there = parent(monthly("2024-05-01", "2024-06-01", "2024-07-01"), [off])
    rows = [known(off, bounds("2020-01-01", "2020-02-01"), **facts)]
    plan = plan_pass(plan_input(there, rows, policy(drop_after=grace), NOW))
    return [each.kind for each in plan.actions]


def test_nothing_is_dropped_without_a_grace() -> None:
    assert drops(None, detached_at=at("2020-03-01")) == []


def test_a_table_is_dropped_once_its_grace_is_over() -> None:
    week = timedelta(days=7)
    assert drops(week, detached_at=NOW - week) == [ActionKind.DROP]
    assert drops(week, detached_at=NOW - week + timedelta(microseconds=1)) == []


def test_a_pinned_table_is_not_dropped_before_the_moment() -> None:
    facts = {"detached_at": at("2020-03-01"), "pinned_until": NOW + timedelta(days=1)}
    assert drops(timedelta(0), **facts) == []
    assert drops(timedelta(0), **{**facts, "pinned_until": NOW}) == [ActionKind.DROP]


def test_a_table_is_not_dropped_where_nobody_knows_since_when_it_is_detached() -> None:
    assert drops(timedelta(0)) == []


def test_a_table_is_not_dropped_before_its_move_has_ended() -> None:
    facts = {"detached_at": at("2020-03-01"), "unfinished": ActionKind.MOVE, "tablespace": "cold"}
    assert drops(timedelta(days=1), **facts) == [ActionKind.MOVE]


def test_a_table_without_a_row_is_not_dropped() -> None:
    there = parent(monthly("2024-05-01", "2024-06-01", "2024-07-01"), [detached()])
    assert plan_pass(plan_input(there, [], policy(drop_after=timedelta(0)), NOW)).is_empty


def test_a_pending_detach_is_ended_by_the_attach_that_was_begun_since() -> None:
    pending = partition(bounds("2019-01-01", "2019-02-01"), is_pending=True)
    rows = [known(pending, unfinished=ActionKind.ATTACH, tablespace="hot")]
    plan = plan_pass(plan_input(parent([pending]), rows, policy(), NOW))
    found = [(each.kind, each.oid, each.tablespace) for each in plan.actions if each.oid]
    assert found == [(ActionKind.ATTACH, pending.oid, "hot")]


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
