from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pg_timepart.constants import PeriodType
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.names import free_name, numbered, partition_name, shortened
from pg_timepart.partitions.periods import Period

BERLIN = ZoneInfo("Europe/Berlin")

tables = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
zones = st.sampled_from(sorted(available_timezones())).map(ZoneInfo)
moments = st.datetimes(
    datetime(1900, 1, 1),  # noqa: DTZ001
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
periods = st.builds(Period, st.sampled_from(list(PeriodType)), st.integers(1, 30))


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


class TestPartitionName:
    @pytest.mark.parametrize(
        ("start", "end", "name"),
        [
            (utc(2024, 1, 1), utc(2024, 2, 1), "shop_event_20240101_20240201"),
            (utc(987, 1, 1), utc(988, 1, 1), "shop_event_09870101_09880101"),
            (utc(987, 1, 1, 1), utc(987, 1, 1, 2), "shop_event_09870101t0100_09870101t0200"),
            (None, utc(2024, 2, 1), "shop_event_min_20240201"),
            (utc(2024, 1, 1), None, "shop_event_20240101_max"),
            (None, None, "shop_event_min_max"),
            (
                utc(2024, 1, 1, 15),
                utc(2024, 1, 1, 16, 30),
                "shop_event_20240101t1500_20240101t1630",
            ),
            (utc(2024, 1, 1, 23), utc(2024, 1, 2), "shop_event_20240101t2300_20240102t0000"),
            (
                utc(2024, 1, 1, 15, 0, 7),
                utc(2024, 1, 1, 16, 0, 0, 5),
                "shop_event_20240101t150007_20240101t160000000005",
            ),
            (None, utc(2024, 2, 1, 6), "shop_event_min_20240201t0600"),
        ],
    )
    def test_in_utc(self, start: datetime | None, end: datetime | None, name: str) -> None:
        assert partition_name("shop_event", Bounds(start=start, end=end), UTC) == name

    def test_names_local_days(self) -> None:
        march = Period(PeriodType.Month).bounds_at(utc(2024, 3, 15), BERLIN)

        assert partition_name("event", march, BERLIN) == "event_20240301_20240401"

    def test_names_utc_where_a_side_is_not_a_local_day(self) -> None:
        bounds = Bounds(start=utc(2024, 2, 29, 23), end=utc(2024, 3, 1, 23, 30))

        assert partition_name("event", bounds, BERLIN) == "event_20240229t2300_20240301t2330"

    def test_names_the_first_existing_day_after_one_that_was_skipped(self) -> None:
        apia = ZoneInfo("Pacific/Apia")
        day = Period(PeriodType.Day).bounds_at(utc(2011, 12, 30), apia)

        assert partition_name("event", day, apia) == "event_20111229_20111231"

    def test_keeps_a_name_that_just_fits(self) -> None:
        january = Bounds(start=utc(2024, 1, 1), end=utc(2024, 2, 1))

        assert partition_name("t" * 45, january, UTC) == "t" * 45 + "_20240101_20240201"
        assert partition_name("t" * 46, january, UTC) == ("t" * 36 + "_a5837fab_20240101_20240201")

    def test_cuts_a_long_table_name_at_a_character(self) -> None:
        january = Bounds(start=utc(2024, 1, 1), end=utc(2024, 2, 1))

        name = partition_name("x" + "é" * 31, january, UTC)

        assert name.startswith("x" + "é" * 17 + "_")
        assert len(name.encode()) == 62

    def test_tells_long_tables_apart(self) -> None:
        january = Bounds(start=utc(2024, 1, 1), end=utc(2024, 2, 1))

        names = {partition_name("t" * 60 + end, january, UTC) for end in ("a", "b")}

        assert len(names) == 2

    @given(tables, moments, moments, zones)
    @settings(deadline=None, max_examples=200)
    def test_never_needs_more_than_63_bytes(
        self, table: str, one: datetime, other: datetime, zone: ZoneInfo
    ) -> None:
        bounds = Bounds(start=min(one, other), end=max(one, other))

        name = partition_name(table, bounds, zone)

        assert len(name.encode()) <= 63
        assert "�" in table or "�" not in name

    @given(tables, zones, periods, moments, st.integers(0, 5000))
    @settings(deadline=None, max_examples=200)
    def test_differs_and_sorts_as_the_bounds_do(
        self, table: str, zone: ZoneInfo, period: Period, moment: datetime, minutes: int
    ) -> None:
        one = period.bounds_at(moment, zone)
        other = period.bounds_at(moment + timedelta(minutes=minutes), zone)

        names = [partition_name(table, bounds, zone) for bounds in (one, other)]

        assert (names[0] == names[1]) is (one == other)
        assert names == sorted(names) or period.is_subday

    @given(zones, moments, st.lists(st.integers(1, 10**12), min_size=3, max_size=3))
    @settings(deadline=None, max_examples=200)
    def test_differs_for_any_other_bounds(
        self, zone: ZoneInfo, moment: datetime, steps: list[int]
    ) -> None:
        edges = [moment]
        for microseconds in steps:
            edges.append(edges[-1] + timedelta(microseconds=microseconds))
        ranges = [
            Bounds(start=start, end=end)
            for index, start in enumerate([None, *edges])
            for end in [*edges[index:], None]
        ]

        assert len({partition_name("t", each, zone) for each in ranges}) == len(ranges)


def second_and_third(name: str) -> list[str]:
    return list(islice(numbered(name), 1, 3))


class TestNumbered:
    def test_counts_after_the_name_itself(self) -> None:
        assert list(islice(numbered("event_20240101_20240201"), 3)) == [
            "event_20240101_20240201",
            "event_20240101_20240201_2",
            "event_20240101_20240201_3",
        ]

    @given(tables, st.integers(2, 500))
    @settings(deadline=None, max_examples=100)
    def test_never_needs_more_than_63_bytes(self, name: str, attempt: int) -> None:
        assert len(next(islice(numbered(name), attempt, None)).encode()) <= 63

    def test_tells_full_names_apart(self) -> None:
        full = ["n" * 62 + end for end in "ab"]

        names = {numbered for name in full for numbered in second_and_third(name)}

        assert len(names) == 4


class TestFreeName:
    def test_is_the_name_itself_unless_it_is_taken(self) -> None:
        assert free_name("event", {"other"}) == "event"

    def test_is_the_first_numbered_one_that_is_not_taken(self) -> None:
        assert free_name("event", {"event", "event_2", "event_4"}) == "event_3"
        assert free_name("an event", {"an event"}, separator=" ") == "an event 2"


class TestShortened:
    @given(tables, st.integers(10, 63))
    @settings(deadline=None, max_examples=100)
    def test_cuts_whole_characters_and_keeps_the_ending(self, stem: str, room: int) -> None:
        name = shortened(stem, "_ending", room)

        assert name.endswith("_ending")
        assert stem.startswith(name.removesuffix("_ending"))
        assert len(name.encode()) <= room
