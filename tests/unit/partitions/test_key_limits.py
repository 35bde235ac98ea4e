"""Plans and room where the values of a key begin and end."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

import pytest

from pg_timepart import Snowflake
from pg_timepart.constants import PeriodType
from pg_timepart.errors import InvalidPolicy
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.coverage import runs_out_at
from pg_timepart.partitions.key_formats.base import KeyFormat
from pg_timepart.partitions.key_formats.registry import format_of_column, key_format_named
from pg_timepart.partitions.plan import Plan, PlanInput
from pg_timepart.partitions.planner import plan_next, plan_pass, plan_range
from pg_timepart.partitions.tables import Parent, Partition
from tests.support.simulated_catalog import (
    Table,
    at,
    bounds,
    parent,
    partition,
    plan_input,
    policy,
    spans,
)

SECONDS = format_of_column("integer", key_format_named("epoch_s"))
SNOWFLAKE = Snowflake(epoch=at("2024-05-10 15:00"), shift=22)
INT4_ENDS = at("2038-01-19 03:14:08")


def table(key_format: KeyFormat | None, *partitions: Partition) -> Parent:
    return replace(parent(partitions), key_format=key_format, key="id", key_type="integer")


def ask(there: Parent, now: datetime, **changes: object) -> PlanInput:
    return plan_input(there, [], policy(**changes), now)  # type: ignore[arg-type]


def said(plan: Plan) -> list[str]:
    return [f"{each.code}: {each}" for each in (*plan.problems, *plan.notes)]


def test_the_last_partition_takes_all_that_an_int4_can_hold() -> None:
    plan = plan_pass(ask(table(SECONDS), at("2037-12-20")))
    assert spans(plan) == [("2037-12-01", "2038-01-01"), ("2038-01-01", "-")]
    (problem,) = said(plan)
    assert problem.startswith(
        "key_ends: Values of the key id (epoch_s, integer) end at 2038-01-19 03:14:08"
    )


def test_a_pass_that_ends_before_the_key_does_says_nothing() -> None:
    plan = plan_pass(ask(table(SECONDS), at("2037-10-20")))
    assert (len(plan.actions), said(plan)) == (3, [])


def test_when_all_is_made_there_is_nothing_more_to_make_and_room_until_the_key_ends() -> None:
    there = table(SECONDS, partition(bounds("2037-12-01", None)))
    plan = plan_pass(ask(there, at("2037-12-20")))
    assert (plan.actions, len(plan.problems)) == ((), 1)
    assert runs_out_at(there, at("2037-12-20")) == INT4_ENDS
    assert runs_out_at(there, at("2038-02-01")) == at("2038-02-01")
    beside_default = table(SECONDS, partition(None))
    assert runs_out_at(beside_default, at("2037-12-20")) == INT4_ENDS


def test_after_the_key_has_ended_nothing_is_made() -> None:
    given = ask(table(SECONDS), at("2038-05-20"))
    assert (plan_pass(given).actions, len(plan_pass(given).problems)) == ((), 1)
    assert plan_next(given, 0).actions == ()
    assert len(said(plan_next(given, 0))) == 1


def test_the_next_ones_end_with_the_key_however_many_days_are_asked_for() -> None:
    there = table(SECONDS, partition(bounds("2037-11-01", "2037-12-01")))
    minutes = ask(there, at("2037-11-20"), unit=PeriodType.Month)
    plan = plan_next(minutes, 30_000)
    assert spans(plan) == [("2037-12-01", "2038-01-01"), ("2038-01-01", "-")]
    assert len(said(plan)) == 1


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("1969-11-01", "1970-02-01", "begin at 1970-01-01 00:00:00+00:00: there can be no"),
        ("2037-12-01", "2038-03-01", "end at 2038-01-19 03:14:08+00:00"),
    ],
)
def test_a_range_beyond_the_key_is_refused_as_a_whole(start: str, end: str, words: str) -> None:
    with pytest.raises(
        InvalidPolicy, match=re.escape(f"Values of the key id (epoch_s, integer) {words}")
    ):
        plan_range(ask(table(SECONDS), at("2024-05-20")), at(start), at(end))


def test_a_range_up_to_the_end_of_the_key_is_made() -> None:
    plan = plan_range(ask(table(SECONDS), at("2024-05-20")), at("2038-01-01"), INT4_ENDS)
    assert spans(plan) == [("2038-01-01", "-")]


def test_the_first_partition_begins_with_the_epoch() -> None:
    given = ask(table(SNOWFLAKE), at("2024-05-20"), premake=1, interval=2)
    assert spans(plan_pass(given)) == [
        ("2024-05-10 15:00", "2024-06-01"),
        ("2024-06-01", "2024-07-01"),
    ]
    assert said(plan_pass(given)) == []
    ranged = plan_range(given, at("2024-05-12"), at("2024-05-13"))
    assert spans(ranged) == [("2024-05-10 15:00", "2024-06-01")]


def test_before_the_epoch_no_partition_is_made_for_keys_that_are_not_yet() -> None:
    there = table(SNOWFLAKE)
    plan = plan_pass(ask(there, at("2024-04-20"), premake=1))
    assert spans(plan) == [("2024-05-10 15:00", "2024-06-01")]
    assert "begin at 2024-05-10 15:00:00+00:00" in said(plan)[0]
    assert runs_out_at(there, at("2024-04-20")) == at("2024-04-20")


def test_a_table_is_complete_after_each_pass_up_to_the_end() -> None:
    made = Table(table(SECONDS), (), policy(PeriodType.Quarter, premake=3, interval=2))
    for year in range(2036, 2040):
        for month in (1, 6, 11):
            now = at(f"{year}-{month:02}-17")
            made.apply(made.plan(now), now)
            assert made.plan(now).actions == ()
            assert (runs_out_at(made.parent, now) or now) > now or now > INT4_ENDS


def test_clipped_bounds_are_those_of_values() -> None:
    assert SECONDS is not None
    assert SECONDS.clip(Bounds(start=None, end=None)) == Bounds(start=at("1970-01-01"), end=None)
    assert SECONDS.clip(bounds("1960-01-01", "1970-01-01")) is None
    assert SECONDS.clip(Bounds(start=INT4_ENDS, end=None)) is None
