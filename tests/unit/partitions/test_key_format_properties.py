"""What each key format must hold for every moment, zone and period."""

from __future__ import annotations

import pickle
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pg_timepart import Snowflake, Uuid7
from pg_timepart.constants import PeriodType
from pg_timepart.errors import InvalidPolicy
from pg_timepart.partitions.key_formats.base import MICROSECOND, KeyFormat
from pg_timepart.partitions.key_formats.counted import CountedKey
from pg_timepart.partitions.key_formats.registry import format_given, key_format_named, recorded
from pg_timepart.partitions.periods import Period
from pg_timepart.partitions.time_zones import start_of_day


@dataclass(frozen=True)
class Kind:
    """A key format, and the years in which whole periods of any size fit into its range."""

    key: KeyFormat
    first: int
    last: int


KINDS = {
    "timestamp": Kind(key_format_named("timestamp"), 1850, 2200),
    "date": Kind(key_format_named("date"), 1850, 2200),
    "uuid7": Kind(key_format_named("uuid7"), 1975, 9900),
    "epoch_s": Kind(key_format_named("epoch_s"), 1975, 2200),
    "epoch_s of an integer": Kind(key_format_named("epoch_s").for_column("integer"), 1975, 2030),
    "epoch_ms": Kind(key_format_named("epoch_ms"), 1975, 9900),
    "epoch_us": Kind(key_format_named("epoch_us"), 1975, 2200),
    "ids of a chat": Kind(
        Snowflake(epoch=datetime(2010, 11, 4, 1, 42, 54, 657_000, UTC), shift=22), 2015, 2075
    ),
    "ids of old letters": Kind(
        Snowflake(epoch=datetime(1850, 1, 1, tzinfo=UTC), shift=22), 1855, 1914
    ),
    "ids of all time": Kind(Snowflake(epoch=datetime(1, 1, 1, tzinfo=UTC), shift=10), 6, 9900),
}
ODD_ZONES = (
    "America/Santiago",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Pacific/Apia",
    "UTC",
)

kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
names = st.one_of(st.sampled_from(ODD_ZONES), st.sampled_from(sorted(available_timezones())))
zones = names.map(ZoneInfo)
often = settings(deadline=None, max_examples=25)


def moments(kind: Kind) -> st.SearchStrategy[datetime]:
    first, last = (datetime(year, 1, 1) for year in (kind.first, kind.last))  # noqa: DTZ001
    return st.datetimes(first, last, timezones=st.just(UTC))


def periods(key: KeyFormat) -> st.SearchStrategy[Period]:
    units = [each for each in PeriodType if key.name != "date" or not Period(each).is_subday]
    return st.builds(Period, st.sampled_from(units), st.integers(1, 3))


def row_after(value: Any, steps: int) -> Any:
    """Return the value so many of its smallest steps after another."""
    match value:
        case UUID():
            return UUID(int=value.int + steps)
        case datetime():
            return value + timedelta(microseconds=steps)
        case date():
            return value + timedelta(days=steps)
    return value + steps


def moment_of(key: KeyFormat, value: Any, zone: ZoneInfo) -> datetime:
    """Return the moment that a row of this key is of."""
    moment = key.moment(str(value), zone)
    assert isinstance(moment, datetime)
    # A day that the zone skipped has no moment of its own.
    assume(not (type(value) is date and moment.astimezone(zone).date() != value))
    return moment


# One step, steps within a unit of every format, and steps to other units.
steps = st.one_of(st.integers(-2, 2), st.integers(-(2**24), 2**24), st.integers(0, 2**80 - 1))


@kinds
@given(st.data(), zones)
@often
def test_a_row_lands_in_the_period_of_its_moment(
    kind: Kind, data: st.DataObject, zone: ZoneInfo
) -> None:
    key = kind.key
    bounds = data.draw(periods(key)).bounds_at(data.draw(moments(kind)), zone)
    assert bounds.start is not None
    assert bounds.end is not None
    lower, upper = (key.value(side, zone) for side in (bounds.start, bounds.end))
    begin: Any = data.draw(st.sampled_from([lower, upper]))
    row = row_after(begin, data.draw(_small(key)))
    assert (lower <= row < upper) == bounds.contains(moment_of(key, row, zone))
    assert not lower <= row_after(lower, -1) < upper
    assert lower <= row_after(upper, -1) < upper


def _small(key: KeyFormat) -> st.SearchStrategy[int]:
    return (
        st.integers(-400, 400)
        if key.name == "date"
        else steps.filter(lambda each: key.name == "uuid7" or abs(each) < 2**30)
    )


@kinds
@given(st.data(), zones)
@often
def test_neighbours_share_the_literal_between_them(
    kind: Kind, data: st.DataObject, zone: ZoneInfo
) -> None:
    key, period = kind.key, data.draw(periods(kind.key))
    here = period.bounds_at(data.draw(moments(kind)), zone)
    assert here.end is not None
    following = period.bounds_at(here.end, zone)
    one, other = key.write(here, zone), key.write(following, zone)
    assert one.upper == other.lower
    assert [key.read(each, zone) for each in (one, other)] == [here, following]


@kinds
@given(st.data(), zones)
@often
def test_an_earlier_moment_has_a_smaller_value(
    kind: Kind, data: st.DataObject, zone: ZoneInfo
) -> None:
    key = kind.key
    one, other = sorted(data.draw(st.tuples(moments(kind), moments(kind))))
    first, second = (key.value_in(each, zone) for each in (one, other))
    unit = key.unit(one, zone)
    assert unit.contains(one)
    assert first == second if unit.contains(other) else first < second  # type: ignore[operator]
    assert key.moment(str(first), zone) == unit.start


@kinds
@given(st.data(), zones)
@often
def test_rows_from_a_moment_on_are_those_of_that_moment_or_later(
    kind: Kind, data: st.DataObject, zone: ZoneInfo
) -> None:
    key, moment = kind.key, data.draw(moments(kind))
    first: Any = key.value_from(moment, zone)
    row = row_after(first, data.draw(_small(key)))
    assert (row >= first) == (moment_of(key, row, zone) >= moment)


@pytest.mark.parametrize("name", ODD_ZONES)
def test_a_day_lasts_until_the_next_also_where_clocks_change(name: str) -> None:
    key, zone = KINDS["date"].key, ZoneInfo(name)
    days = [date(2011, 1, 1) + timedelta(days=number) for number in range(366)]
    there = [day for day in days if start_of_day(day, zone).astimezone(zone).date() == day]
    for day, following in pairwise(there):
        for moment in (start_of_day(day, zone), start_of_day(following, zone) - MICROSECOND):
            assert key.value_in(moment, zone) == day
        assert key.value_from(moment, zone) == following


LAST = datetime.max.replace(tzinfo=UTC)
CHAT = KINDS["ids of a chat"].key
INTEGER = KINDS["epoch_s of an integer"].key


@pytest.mark.parametrize(
    ("key", "last", "value"),
    [
        (KINDS["uuid7"].key, LAST, UUID("e677d21f-dbff-0000-0000-000000000000")),
        (KINDS["epoch_s"].key, LAST, 253_402_300_799),
        (KINDS["epoch_ms"].key, LAST, 253_402_300_799_999),
        (KINDS["epoch_us"].key, LAST, 253_402_300_799_999_999),
        (INTEGER, datetime(2038, 1, 19, 3, 14, 7, tzinfo=UTC), 2**31 - 1),
        (CHAT, datetime(2080, 7, 10, 17, 30, 30, 208_000, UTC), (2**41 - 1) << 22),
        (KINDS["ids of all time"].key, LAST, 315_537_897_599_999 << 10),
    ],
)
def test_values_go_from_the_epoch_to_what_the_column_holds(
    key: CountedKey, last: datetime, value: object
) -> None:
    assert key.value_in(key.epoch, UTC) == key.value_from(key.epoch, UTC) in {0, UUID(int=0)}
    assert key.value_in(last, UTC) == value
    if last != LAST:
        with pytest.raises(InvalidPolicy, match=f"its last moment is {re.escape(str(last))}"):
            key.value_from(last + MICROSECOND, UTC)
    if key.epoch.year > 1:
        with pytest.raises(InvalidPolicy, match=f"it counts from {re.escape(str(key.epoch))}"):
            key.value_in(key.epoch - MICROSECOND, UTC)


def test_a_bound_within_a_unit_is_refused() -> None:
    with pytest.raises(InvalidPolicy, match="uuid7 needs bounds at whole milliseconds"):
        KINDS["uuid7"].key.value(datetime(2024, 1, 1, 0, 0, 0, 1, UTC), UTC)


@pytest.mark.parametrize("name", ["uuid7", "epoch_s", "epoch_ms", "epoch_us"])
@pytest.mark.parametrize("literal", ["2024-01-01", "", "one"])
def test_a_bound_of_another_type_is_refused(name: str, literal: str) -> None:
    with pytest.raises(
        InvalidPolicy, match=f"{literal!r} is no value of a key of the format {name}"
    ):
        key_format_named(name).moment(literal, UTC)


@pytest.mark.parametrize(
    ("epoch", "shift", "words"),
    [
        (datetime(2015, 1, 1), 22, "epoch of a Snowflake must be an aware datetime"),  # noqa: DTZ001
        (date(2015, 1, 1), 22, "epoch of a Snowflake must be an aware datetime"),
        ("2015-01-01", 22, "epoch of a Snowflake must be an aware datetime"),
        (datetime(2015, 1, 1, 0, 0, 0, 1, UTC), 22, "must be a whole millisecond"),
        (datetime(2015, 1, 1, tzinfo=UTC), 0, "from 1 to 62, not 0"),
        (datetime(2015, 1, 1, tzinfo=UTC), 63, "from 1 to 62, not 63"),
        (datetime(2015, 1, 1, tzinfo=UTC), True, "from 1 to 62, not True"),
        (datetime(2015, 1, 1, tzinfo=UTC), "22", "from 1 to 62, not '22'"),
        (datetime(2015, 1, 1, tzinfo=UTC), 22.0, "from 1 to 62, not 22.0"),
    ],
)
def test_a_snowflake_has_an_aware_epoch_and_a_shift(epoch: Any, shift: Any, words: str) -> None:
    with pytest.raises(InvalidPolicy, match=words):
        Snowflake(epoch=epoch, shift=shift)


def test_a_snowflake_is_the_same_whatever_the_zone_of_its_epoch() -> None:
    here = datetime(2015, 1, 1, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    one, other = (
        Snowflake(epoch=each, shift=22) for each in (here, datetime(2015, 1, 1, tzinfo=UTC))
    )
    assert one == other
    assert hash(one) == hash(other)
    assert pickle.loads(pickle.dumps(one)) == other


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (Snowflake, "an instance of Snowflake with its arguments, not the class"),
        (7, "the name of a key format, or an instance of one, not 7. Names: date, epoch_ms"),
        (b"uuid7", "not b'uuid7'"),
        (["uuid7"], "not .'uuid7'."),
    ],
)
def test_what_is_no_format_is_refused_at_the_decorator(given: Any, words: str) -> None:
    with pytest.raises(InvalidPolicy, match=words):
        format_given(given)


@pytest.mark.parametrize("name", ["uuid7", "epoch_s", "epoch_ms", "epoch_us"])
def test_migrations_record_a_registered_format_by_its_name(name: str) -> None:
    assert recorded(format_given(name)) == name
    assert recorded(Uuid7(check_version=False)) == Uuid7(check_version=False)
