"""Bounds that are of another key format than the declared one, and those that only look odd."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_timepart import Snowflake
from pg_timepart.constants import PeriodType
from pg_timepart.partitions.bounds import BoundLiterals, Bounds
from pg_timepart.partitions.contradiction import contradiction
from pg_timepart.partitions.key_formats.base import KeyFormat
from pg_timepart.partitions.key_formats.registry import key_format_named
from pg_timepart.partitions.periods import Period
from pg_timepart.partitions.tables import Parent
from pg_timepart.postgres.table_comments import comment_for
from tests.support.simulated_catalog import at, parent, partition

SNOWFLAKE = Snowflake(epoch=datetime(2015, 1, 1, tzinfo=UTC), shift=22)
TYPES = {"uuid7": "uuid"}

SECONDS, MILLISECONDS, MICROSECONDS = map(key_format_named, ("epoch_s", "epoch_ms", "epoch_us"))
UUID7 = key_format_named("uuid7")
NUMBERS = [SECONDS, MILLISECONDS, MICROSECONDS, SNOWFLAKE]

MONTHS = ("2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01")


def table(
    declared: KeyFormat,
    sides: Sequence[str | None],
    comments: Sequence[Bounds] | None = None,
    born_with: Sequence[str] | None = None,
) -> Parent:
    """Return a table with a partition from each literal to the next, read as declared."""
    empty = replace(
        parent(),
        key_format=declared,
        key_type="uuid" if declared == UUID7 else "bigint",
    )
    found = []
    for number, (lower, upper) in enumerate(pairwise(sides)):
        literals = BoundLiterals(lower=lower, upper=upper)
        made = partition(declared.read(literals, UTC), literals=literals)
        if comments is not None:
            born = born_with or sides
            noted = BoundLiterals(lower=born[number], upper=born[number + 1])
            comment = comment_for("shop.event", empty, comments[number], noted)
            made = replace(made, comment=comment)
        found.append(made)
    return replace(empty, partitions=tuple(found))


def written(key_format: KeyFormat, *days: str) -> list[str]:
    return [key_format.literal(at(day), UTC) for day in days]


def spans(*days: str) -> list[Bounds]:
    return [Bounds(start=at(a), end=at(b)) for a, b in pairwise(days)]


@pytest.mark.parametrize("declared", [*NUMBERS, UUID7], ids=lambda each: each.name)
def test_bounds_of_the_declared_format_do_not_contradict_it(declared: KeyFormat) -> None:
    for days in (MONTHS, MONTHS[:2], ("1971-01-01", "1972-01-01"), ("2037-01-01", "2038-01-01")):
        if declared is not SNOWFLAKE or days[0] > "2015":
            assert contradiction(table(declared, written(declared, *days), spans(*days))) is None


@given(
    declared=st.sampled_from([*NUMBERS, UUID7]),
    unit=st.sampled_from(PeriodType),
    count=st.integers(1, 60),
    first=st.datetimes(datetime(2016, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    partitions=st.integers(1, 6),
)
def test_partitions_of_any_period_do_not_contradict_their_format(
    declared: KeyFormat, unit: PeriodType, count: int, first: datetime, partitions: int
) -> None:
    period = Period(unit, 1 if unit is PeriodType.Year else count)
    moments = [period.bounds_at(first, UTC).start or first]
    for _ in range(partitions):
        moments.append(period.next_boundary(moments[-1], UTC))
    moments = [each for each in moments if each.year < 2080]
    literals = [declared.literal(each, UTC) for each in moments if each >= SNOWFLAKE.epoch]
    assert contradiction(table(declared, literals)) is None


@pytest.mark.parametrize("declared", NUMBERS[:3], ids=lambda each: each.name)
@pytest.mark.parametrize("actual", NUMBERS[:3], ids=lambda each: each.name)
def test_bounds_of_another_unit_are_said_to_be_of_it(
    declared: KeyFormat, actual: KeyFormat
) -> None:
    said = contradiction(table(declared, written(actual, *MONTHS)))
    if declared == actual:
        assert said is None
    else:
        assert said is not None
        assert f"contradicts the key format {declared.name}" in said
        assert f"its bounds are those of {actual.name}." in said


@pytest.mark.parametrize("actual", NUMBERS[:3], ids=lambda each: each.name)
def test_unix_times_are_no_snowflakes(actual: KeyFormat) -> None:
    said = contradiction(table(SNOWFLAKE, written(actual, *MONTHS)))
    assert said is not None
    assert f"those of {actual.name}" in said


@pytest.mark.parametrize("declared", NUMBERS[:3], ids=lambda each: each.name)
def test_snowflakes_are_no_unix_times(declared: KeyFormat) -> None:
    assert contradiction(table(declared, written(SNOWFLAKE, *MONTHS))) is not None


@pytest.mark.parametrize(
    "born",
    [
        Snowflake(epoch=SNOWFLAKE.epoch, shift=21),
        Snowflake(epoch=SNOWFLAKE.epoch, shift=23),
        Snowflake(epoch=SNOWFLAKE.epoch - timedelta(days=365), shift=22),
    ],
    ids=str,
)
def test_another_epoch_or_shift_shows_in_our_comments(born: Snowflake) -> None:
    said = contradiction(table(SNOWFLAKE, written(born, *MONTHS), spans(*MONTHS)))
    assert said is not None
    assert "was made for [2024-01-01 00:00:00+00:00, 2024-02-01 00:00:00+00:00)" in said


def test_ranges_of_random_uuids_are_no_times() -> None:
    quarters = [f"{first}0000000-0000-0000-0000-000000000000" for first in "048c"]
    said = contradiction(table(UUID7, quarters))
    assert said is not None
    assert "'40000000-0000-0000-0000-000000000000' are no times" in said


@pytest.mark.parametrize(
    ("declared", "odd"),
    [
        (SECONDS, "9223372036854775807"),
        (SECONDS, "1709251207"),
        (MILLISECONDS, "1709251200123"),
        (MILLISECONDS, "-1"),
        (SNOWFLAKE, "1200000000000000001"),
        (UUID7, "018df74f-8401-7abc-9000-000000000001"),
        (UUID7, "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    ],
)
@pytest.mark.parametrize("beside", [(), MONTHS[:2]], ids=["alone", "beside others"])
def test_one_odd_bound_contradicts_nothing(
    declared: KeyFormat, odd: str, beside: tuple[str, ...]
) -> None:
    literals: list[str | None] = [*written(declared, *beside), odd]
    ordered = sorted(literals, key=lambda each: declared.sort_key(each or "", UTC))
    assert contradiction(table(declared, [None, *ordered])) is None


def test_partitions_attached_elsewhere_by_hand_contradict_nothing() -> None:
    literals = written(SECONDS, *MONTHS)
    days = ("2020-01-01", "2020-02-01", "2020-03-01", "2020-04-01")
    there = table(SECONDS, literals, spans(*days), written(SECONDS, *days))
    assert contradiction(there) is None


def test_a_table_without_partitions_or_by_timestamps_is_never_contradicted() -> None:
    assert contradiction(table(SECONDS, [])) is None
    assert contradiction(parent()) is None
