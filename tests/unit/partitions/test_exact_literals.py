"""Literals of new partitions beside those that others made at any values of the key."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_timepart import Snowflake
from pg_timepart.constants import PeriodType
from pg_timepart.partitions.bounds import BoundLiterals, Bounds
from pg_timepart.partitions.exact_literals import literals_for
from pg_timepart.partitions.planner import plan_range
from pg_timepart.partitions.tables import Parent, PartitionComment
from tests.support.simulated_catalog import at, detached, parent, partition, plan_input, policy

KEY = Snowflake(epoch=at("2024-01-01"), shift=2)
"""Four ids a millisecond, so that bounds often lie within one."""

MINUTE = 60_000 << KEY.shift
Range = tuple[int, int]


def table(ranges: list[Range]) -> Parent:
    found = [BoundLiterals(lower=str(lower), upper=str(upper)) for lower, upper in ranges]
    made = [partition(KEY.read(each, UTC), literals=each) for each in found]
    return replace(parent(made), key_format=KEY, key="id", key_type="bigint")


def numbers(literals: BoundLiterals) -> Range:
    assert literals.lower is not None
    assert literals.upper is not None
    return int(literals.lower), int(literals.upper)


@st.composite
def bounds_of_others(draw: st.DrawFn) -> list[int]:
    """Return ids in order: some near each other, some on a minute, some anywhere."""
    near = st.builds(
        lambda minute, low: minute * MINUTE + low, st.integers(1, 5), st.integers(-6, 6)
    )
    anywhere = st.integers(1, 6 * MINUTE)
    return sorted(draw(st.sets(near | anywhere, min_size=2, max_size=8)))


@given(bounds_of_others(), st.data())
def test_they_overlap_nothing_and_leave_nothing_out(ids: list[int], data: st.DataObject) -> None:
    whole = list(pairwise(ids))
    left = [each for each in whole if data.draw(st.booleans())]
    there = table(left)
    first, last = (
        KEY.read(BoundLiterals(lower=str(each), upper=None), UTC).start
        for each in (ids[0], ids[-1])
    )
    assert first is not None
    assert last is not None
    if first == last:
        return
    plan = plan_range(plan_input(there, [], policy(PeriodType.Minute), first), first, last)
    made = [numbers(literals_for(there, each.bounds, UTC)) for each in plan.actions if each.bounds]
    found = sorted([*left, *made])
    assert all(lower < upper for lower, upper in found)
    for (_, end), (start, _) in pairwise(found):
        assert end <= start
        # Only what lies within one millisecond can be missed: moments do not show it.
        assert end == start or end >> KEY.shift == start >> KEY.shift
    assert found[0][0] >> KEY.shift <= ids[0] >> KEY.shift
    assert found[-1][1] >> KEY.shift >= ids[-1] >> KEY.shift


def a_bound(text: str, low: int) -> str:
    return str((at(text) - KEY.epoch) // timedelta(milliseconds=1) * 4 + low)


LOWER, UPPER = a_bound("2024-01-01 00:01", 3), a_bound("2024-01-01 00:02", 1)
SPAN = Bounds(start=at("2024-01-01 00:01"), end=at("2024-01-01 00:02"))
OWN = BoundLiterals(lower=LOWER, upper=UPPER)


@pytest.mark.parametrize(
    ("known", "found"),
    [
        ([OWN], OWN),
        ([None, OWN], OWN),
        ([BoundLiterals(lower=LOWER, upper=None), OWN], OWN),
        ([BoundLiterals(lower="nonsense", upper=UPPER), OWN], OWN),
        (
            [],
            BoundLiterals(
                lower=a_bound("2024-01-01 00:01", 0), upper=a_bound("2024-01-01 00:02", 0)
            ),
        ),
    ],
)
def test_what_is_known_counts_where_it_says_the_same_moments(
    known: list[BoundLiterals | None], found: BoundLiterals
) -> None:
    assert literals_for(table([]), SPAN, UTC, *known) == found


def test_beside_a_detached_partition_they_are_those_of_its_comment() -> None:
    comment = PartitionComment(label="a.b", bounds=SPAN, literals=OWN)
    there = replace(table([]), detached=(detached(comment=comment, literals=OWN),))
    after = Bounds(start=SPAN.end, end=at("2024-01-01 00:03"))
    assert literals_for(there, after, UTC).lower == UPPER
    attached = int(a_bound("2024-01-01 00:01", 0)), int(UPPER) + 1
    assert literals_for(
        replace(there, partitions=table([attached]).partitions), after, UTC
    ).lower == str(int(UPPER) + 1)


def test_open_sides_stay_open() -> None:
    ends = literals_for(table([]), Bounds(start=None, end=SPAN.end), UTC)
    assert (ends.lower, ends.upper) == (None, a_bound("2024-01-01 00:02", 0))
