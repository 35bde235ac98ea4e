from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pg_timepart.constants import PeriodType
from pg_timepart.errors import InvalidPolicy, UnknownName
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.periods import Period
from pg_timepart.partitions.time_zones import day_at, day_starting_at, start_of_day, zone_named

MICROSECOND = timedelta(microseconds=1)
NASTY_ZONES = (
    "UTC",
    "Africa/Casablanca",  # clocks go back for Ramadan
    "Africa/Monrovia",  # 44 minutes and 30 seconds until 1972
    "America/Havana",  # midnight is skipped, and another happens twice
    "America/Juneau",  # repeated a day in 1867
    "America/Sao_Paulo",  # midnight is skipped
    "America/St_Johns",  # clocks went back at 00:01
    "America/Toronto",  # a jump from 23:30 to 00:30
    "Antarctica/Troll",  # two hours of DST
    "Asia/Beirut",  # midnight is skipped
    "Asia/Kathmandu",
    "Asia/Manila",  # repeated a day in 1844
    "Asia/Tehran",
    "Australia/Lord_Howe",  # half an hour of DST
    "Europe/Amsterdam",
    "Europe/Berlin",
    "Europe/Dublin",  # negative DST
    "Pacific/Apia",  # had no 30 December 2011
    "Pacific/Kiritimati",  # had no 31 December 1994 (or 1 January 1995)
    "Pacific/Kwajalein",  # had no 21 August 1993
)

zones = st.one_of(st.sampled_from(NASTY_ZONES), st.sampled_from(sorted(available_timezones()))).map(
    ZoneInfo
)
units = st.sampled_from(list(PeriodType))
counts = st.one_of(st.integers(1, 4), st.integers(1, 100))
periods = st.builds(Period, units, counts)
anywhen = st.datetimes(
    datetime(1900, 1, 1),  # noqa: DTZ001
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@st.composite
def zones_and_moments(draw: st.DrawFn) -> tuple[ZoneInfo, datetime]:
    """Draw a zone and a moment, half of the time one within a day of a change of its offset."""
    zone = draw(zones)
    moment = draw(anywhen)
    if draw(st.booleans()):
        nearby = draw(st.timedeltas(timedelta(hours=-26), timedelta(hours=26)))
        moment = next_change(zone, moment) + nearby
    return zone, moment


def next_change(zone: ZoneInfo, moment: datetime) -> datetime:
    """Return a time within a day after the next change of offset; ``moment`` if none is near."""
    steps = (moment + timedelta(days=days) for days in range(400))
    offsets = ((step, step.astimezone(zone).utcoffset()) for step in steps)
    changes = (later for (later, new), (_, old) in pairwise(offsets) if new != old)
    return next(changes, moment)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def bounds(start: datetime | None, end: datetime | None) -> Bounds:
    return Bounds(start=start, end=end)


class TestBounds:
    def test_are_kept_in_utc(self) -> None:
        zone = timezone(timedelta(hours=3))
        made = bounds(datetime(2024, 1, 1, 3, tzinfo=zone), datetime(2024, 1, 2, 3, tzinfo=zone))

        assert made == bounds(utc(2024, 1, 1), utc(2024, 1, 2))
        assert made.start is not None
        assert made.start.tzinfo is UTC

    def test_refuse_a_naive_side(self) -> None:
        with pytest.raises(InvalidPolicy, match="2024-01-01 00:00:00 has no time zone"):
            bounds(datetime(2024, 1, 1), None)  # noqa: DTZ001

    def test_refuse_an_end_before_the_start(self) -> None:
        with pytest.raises(InvalidPolicy, match="before it starts"):
            bounds(utc(2024, 1, 2), utc(2024, 1, 1))

    @pytest.mark.parametrize(
        ("moment", "inside"),
        [
            (utc(2023, 12, 31, 23, 59, 59, 999999), False),
            (utc(2024, 1, 1), True),
            (utc(2024, 1, 31, 23, 59, 59, 999999), True),
            (utc(2024, 2, 1), False),
        ],
    )
    def test_contain_their_start_but_not_their_end(self, moment: datetime, inside: bool) -> None:
        assert bounds(utc(2024, 1, 1), utc(2024, 2, 1)).contains(moment) is inside

    def test_without_a_side_contain_everything_there(self) -> None:
        assert bounds(None, utc(2024, 1, 1)).contains(utc(1, 1, 1))
        assert not bounds(None, utc(2024, 1, 1)).contains(utc(2024, 1, 1))
        assert bounds(utc(2024, 1, 1), None).contains(utc(9999, 1, 1))
        assert bounds(None, None).contains(utc(2024, 1, 1))

    @pytest.mark.parametrize(
        ("other", "overlapping"),
        [
            (bounds(utc(2024, 1, 1), utc(2024, 2, 1)), False),
            (bounds(utc(2024, 1, 1), utc(2024, 2, 1, 0, 0, 1)), True),
            (bounds(utc(2024, 2, 10), utc(2024, 2, 11)), True),
            (bounds(utc(2024, 1, 1), utc(2025, 1, 1)), True),
            (bounds(utc(2024, 3, 1), utc(2024, 4, 1)), False),
            (bounds(None, utc(2024, 2, 1)), False),
            (bounds(None, None), True),
            (bounds(utc(2024, 3, 1), None), False),
            (bounds(utc(2024, 2, 29), None), True),
        ],
    )
    def test_overlap_only_where_they_share_an_instant(
        self, other: Bounds, overlapping: bool
    ) -> None:
        february = bounds(utc(2024, 2, 1), utc(2024, 3, 1))

        assert february.overlaps(other) is overlapping
        assert other.overlaps(february) is overlapping


class TestPeriodValues:
    def test_takes_the_plain_word(self) -> None:
        assert Period("Month") == Period(PeriodType.Month, 1)  # type: ignore[arg-type]

    def test_names_the_known_units(self) -> None:
        with pytest.raises(InvalidPolicy, match=r"'Fortnight'\. Known: Minute, Hour, Day, Week"):
            Period("Fortnight")  # type: ignore[arg-type]

    @pytest.mark.parametrize("count", [0, -1, 10_001, 1.0, "2", None, True])
    def test_refuses_other_counts(self, count: object) -> None:
        with pytest.raises(InvalidPolicy, match=f"not {count!r}"):
            Period(PeriodType.Day, count)  # type: ignore[arg-type]

    @pytest.mark.parametrize("unit", PeriodType)
    def test_knows_what_is_below_a_day(self, unit: PeriodType) -> None:
        assert Period(unit).is_subday is (unit in {PeriodType.Minute, PeriodType.Hour})


NOON = utc(2024, 5, 15, 12, 34, 56)  # a Wednesday


class TestBoundsAt:
    @pytest.mark.parametrize(
        ("period", "start", "end"),
        [
            (Period(PeriodType.Minute), utc(2024, 5, 15, 12, 34), utc(2024, 5, 15, 12, 35)),
            (Period(PeriodType.Minute, 15), utc(2024, 5, 15, 12, 30), utc(2024, 5, 15, 12, 45)),
            (Period(PeriodType.Hour), utc(2024, 5, 15, 12), utc(2024, 5, 15, 13)),
            (Period(PeriodType.Hour, 6), utc(2024, 5, 15, 12), utc(2024, 5, 15, 18)),
            (Period(PeriodType.Day), utc(2024, 5, 15), utc(2024, 5, 16)),
            (Period(PeriodType.Day, 7), utc(2024, 5, 13), utc(2024, 5, 20)),
            (Period(PeriodType.Week), utc(2024, 5, 13), utc(2024, 5, 20)),
            (Period(PeriodType.Week, 2), utc(2024, 5, 13), utc(2024, 5, 27)),
            (Period(PeriodType.Month), utc(2024, 5, 1), utc(2024, 6, 1)),
            (Period(PeriodType.Month, 2), utc(2024, 5, 1), utc(2024, 7, 1)),
            (Period(PeriodType.Quarter), utc(2024, 4, 1), utc(2024, 7, 1)),
            (Period(PeriodType.Quarter, 2), utc(2024, 1, 1), utc(2024, 7, 1)),
            (Period(PeriodType.Year), utc(2024, 1, 1), utc(2025, 1, 1)),
            (Period(PeriodType.Year, 10), utc(2020, 1, 1), utc(2030, 1, 1)),
        ],
    )
    def test_in_utc(self, period: Period, start: datetime, end: datetime) -> None:
        assert period.bounds_at(NOON, UTC) == bounds(start, end)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (Period(PeriodType.Month, 3), Period(PeriodType.Quarter)),
            (Period(PeriodType.Month, 12), Period(PeriodType.Year)),
            (Period(PeriodType.Quarter, 4), Period(PeriodType.Year)),
            (Period(PeriodType.Day, 7), Period(PeriodType.Week)),
            (Period(PeriodType.Minute, 60), Period(PeriodType.Hour)),
        ],
    )
    @given(moment=anywhen)
    @settings(deadline=None, max_examples=20)
    def test_the_same_size_in_other_words_is_cut_alike(
        self, one: Period, other: Period, moment: datetime
    ) -> None:
        zone = ZoneInfo("Europe/Berlin")

        assert one.bounds_at(moment, zone) == other.bounds_at(moment, zone)

    def test_days_and_longer_begin_at_local_midnight(self) -> None:
        berlin = ZoneInfo("Europe/Berlin")

        assert Period(PeriodType.Month).bounds_at(utc(2024, 2, 29, 23, 30), berlin) == bounds(
            utc(2024, 2, 29, 23), utc(2024, 3, 31, 22)
        )

    def test_hours_ignore_the_zone(self) -> None:
        kathmandu = ZoneInfo("Asia/Kathmandu")

        assert Period(PeriodType.Hour, 6).bounds_at(NOON, kathmandu) == bounds(
            utc(2024, 5, 15, 12), utc(2024, 5, 15, 18)
        )

    def test_before_the_anchors(self) -> None:
        moment = utc(1969, 12, 31, 23, 59)

        assert Period(PeriodType.Hour, 5).bounds_at(moment, UTC) == bounds(
            utc(1969, 12, 31, 19), utc(1970, 1, 1)
        )
        assert Period(PeriodType.Week).bounds_at(moment, UTC) == bounds(
            utc(1969, 12, 29), utc(1970, 1, 5)
        )

    def test_a_day_whose_midnight_is_skipped(self) -> None:
        sao_paulo = ZoneInfo("America/Sao_Paulo")

        assert Period(PeriodType.Day).bounds_at(utc(2018, 11, 4, 12), sao_paulo) == bounds(
            utc(2018, 11, 4, 3), utc(2018, 11, 5, 2)
        )

    def test_the_hour_before_a_second_midnight_stays_in_the_day_that_had_begun(self) -> None:
        st_johns = ZoneInfo("America/St_Johns")
        first_midnight, again_23_30 = utc(2006, 10, 29, 2, 30), utc(2006, 10, 29, 3)
        assert again_23_30.astimezone(st_johns).date() == date(2006, 10, 28)

        day = Period(PeriodType.Day).bounds_at(again_23_30, st_johns)

        assert day == bounds(first_midnight, utc(2006, 10, 30, 3, 30))

    @pytest.mark.parametrize(
        ("zone", "skipped"),
        [("Pacific/Apia", date(2011, 12, 30)), ("Pacific/Kwajalein", date(1993, 8, 21))],
    )
    def test_a_day_that_does_not_exist_has_no_bounds(self, zone: str, skipped: date) -> None:
        before = start_of_day(skipped, ZoneInfo(zone)) - timedelta(hours=24)
        day = Period(PeriodType.Day)

        last = day.bounds_at(before, ZoneInfo(zone))
        following = day.bounds_at(before + timedelta(hours=24), ZoneInfo(zone))

        assert last == bounds(before, before + timedelta(hours=24))
        assert following == bounds(before + timedelta(hours=24), before + timedelta(hours=48))

    @pytest.mark.parametrize(
        ("period", "moment"),
        [
            (Period(PeriodType.Year), utc(9999, 6, 1)),
            (Period(PeriodType.Month), utc(9999, 12, 31)),
            (Period(PeriodType.Day), utc(9999, 12, 31)),
            (Period(PeriodType.Minute), utc(9999, 12, 31, 23, 59, 59)),
            (Period(PeriodType.Week, 4), utc(1, 1, 1)),
            (Period(PeriodType.Hour, 7), utc(1, 1, 1)),
            (Period(PeriodType.Year, 10_000), utc(2024, 1, 1)),
        ],
    )
    def test_outside_the_calendar(self, period: Period, moment: datetime) -> None:
        with pytest.raises(InvalidPolicy, match="outside the years 1 to 9999"):
            period.bounds_at(moment, UTC)

    @pytest.mark.parametrize("hours", [-12, 14])
    @pytest.mark.parametrize("moment", [utc(1, 1, 1), utc(9999, 12, 31, 23, 59, 59, 999999)])
    def test_a_moment_that_the_zone_cannot_show(self, moment: datetime, hours: int) -> None:
        zone = timezone(timedelta(hours=hours))

        with pytest.raises(InvalidPolicy, match="outside the years 1 to 9999"):
            Period(PeriodType.Day).bounds_at(moment, zone)

    @pytest.mark.parametrize("unit", PeriodType)
    def test_refuses_a_naive_moment(self, unit: PeriodType) -> None:
        with pytest.raises(InvalidPolicy, match="has no time zone"):
            Period(unit).bounds_at(datetime(2024, 1, 1), UTC)  # noqa: DTZ001


class TestBoundsAtEverywhere:
    @given(zones_and_moments(), periods, st.data())
    @settings(deadline=None, max_examples=500)
    def test_are_the_same_whoever_asks(
        self, where: tuple[ZoneInfo, datetime], period: Period, data: st.DataObject
    ) -> None:
        zone, moment = where
        here = period.bounds_at(moment, zone)
        assert here.start is not None
        assert here.end is not None
        span = (here.end - here.start) // MICROSECOND
        inside = here.start + data.draw(st.integers(0, span - 1)) * MICROSECOND

        assert here.contains(moment)
        assert period.bounds_at(here.start, zone) == here
        assert period.bounds_at(inside, zone) == here
        assert period.bounds_at(here.end - MICROSECOND, zone) == here
        assert period.bounds_at(moment.astimezone(zone), zone) == here

    @given(zones_and_moments(), periods)
    @settings(deadline=None, max_examples=400)
    def test_follow_each_other_without_gap_or_overlap(
        self, where: tuple[ZoneInfo, datetime], period: Period
    ) -> None:
        zone, moment = where
        row = [period.bounds_at(moment, zone)]
        for _ in range(4):
            row.append(period.bounds_at(row[-1].end or moment, zone))
        start = row[0].start or moment
        row.insert(0, period.bounds_at(start - MICROSECOND, zone))

        assert all(one.end == other.start for one, other in pairwise(row))
        assert all(one.start and one.end and one.start < one.end for one in row)
        assert not any(one.overlaps(other) for one, other in pairwise(row))

    @given(zones_and_moments(), periods)
    @settings(deadline=None, max_examples=400)
    def test_end_at_the_next_boundary(
        self, where: tuple[ZoneInfo, datetime], period: Period
    ) -> None:
        zone, moment = where

        boundary = period.next_boundary(moment, zone)

        assert moment < boundary == period.bounds_at(moment, zone).end
        assert boundary.tzinfo is UTC

    @given(zones_and_moments(), st.sampled_from(["Day", "Week", "Month", "Quarter", "Year"]))
    @settings(deadline=None, max_examples=400)
    def test_begin_where_the_first_local_date_of_a_period_does(
        self, where: tuple[ZoneInfo, datetime], unit: str
    ) -> None:
        zone, moment = where
        here = Period(PeriodType(unit)).bounds_at(moment, zone)
        assert here.start is not None
        first = here.start.astimezone(zone).date()
        skipped = (here.start - MICROSECOND).astimezone(zone).date() < first - timedelta(days=1)

        assert (
            skipped
            or {
                "Day": True,
                "Week": first.weekday() == 0,
                "Month": first.day == 1,
                "Quarter": (first.month % 3, first.day) == (1, 1),
                "Year": (first.month, first.day) == (1, 1),
            }[unit]
        )


class TestCut:
    def test_cuts_at_the_boundaries_and_keeps_the_partial_ends(self) -> None:
        month = Period(PeriodType.Month)

        assert list(month.cut(utc(2024, 1, 15), utc(2024, 3, 2), UTC)) == [
            bounds(utc(2024, 1, 15), utc(2024, 2, 1)),
            bounds(utc(2024, 2, 1), utc(2024, 3, 1)),
            bounds(utc(2024, 3, 1), utc(2024, 3, 2)),
        ]

    def test_goes_on_from_a_boundary_of_another_period(self) -> None:
        week = Period(PeriodType.Week)

        assert list(week.cut(utc(2018, 9, 1), utc(2018, 9, 10), UTC)) == [
            bounds(utc(2018, 9, 1), utc(2018, 9, 3)),
            bounds(utc(2018, 9, 3), utc(2018, 9, 10)),
        ]

    def test_an_empty_range_has_no_pieces(self) -> None:
        assert list(Period(PeriodType.Day).cut(NOON, NOON, UTC)) == []

    def test_refuses_at_the_call_a_range_that_ends_before_it_starts(self) -> None:
        with pytest.raises(InvalidPolicy, match="before it starts"):
            Period(PeriodType.Day).cut(NOON, NOON - MICROSECOND, UTC)

    def test_does_not_look_past_the_end(self) -> None:
        pieces = Period(PeriodType.Day).cut(utc(9999, 12, 29), utc(9999, 12, 30, 12), UTC)

        assert len(list(pieces)) == 2

    @given(zones_and_moments(), periods, st.floats(0, 12))
    @settings(deadline=None, max_examples=150)
    def test_covers_exactly_the_range(
        self, where: tuple[ZoneInfo, datetime], period: Period, periods_long: float
    ) -> None:
        zone, start = where
        first = period.bounds_at(start, zone)
        assert first.start is not None
        assert first.end is not None
        end = start + (first.end - first.start) * periods_long

        pieces = list(period.cut(start, end, zone))

        edges = [start, *(piece.end for piece in pieces)]
        assert edges[-1] == end
        assert [piece.start for piece in pieces] == edges[:-1]
        assert all(piece.start and piece.end and piece.start < piece.end for piece in pieces)
        whole = [period.next_boundary(piece.start or end, zone) for piece in pieces[:-1]]
        assert edges[1:-1] == whole


class TestShift:
    BERLIN = ZoneInfo("Europe/Berlin")

    @pytest.mark.parametrize(
        ("period", "steps", "moved"),
        [
            (Period(PeriodType.Minute, 15), 2, utc(2024, 5, 15, 13, 4, 56)),
            (Period(PeriodType.Hour, 6), -3, utc(2024, 5, 14, 18, 34, 56)),
            (Period(PeriodType.Day, 2), 1, utc(2024, 5, 17, 12, 34, 56)),
            (Period(PeriodType.Week), -1, utc(2024, 5, 8, 12, 34, 56)),
            (Period(PeriodType.Month, 2), -3, utc(2023, 11, 15, 12, 34, 56)),
            (Period(PeriodType.Quarter), 1, utc(2024, 8, 15, 12, 34, 56)),
            (Period(PeriodType.Year), -12, utc(2012, 5, 15, 12, 34, 56)),
        ],
    )
    def test_moves_by_whole_periods(self, period: Period, steps: int, moved: datetime) -> None:
        assert period.shift(NOON, steps, UTC) == moved

    @pytest.mark.parametrize(
        ("steps", "moved"),
        [
            (1, utc(2024, 2, 29)),
            (-2, utc(2023, 11, 30)),
            (13, utc(2025, 2, 28)),
            (2, utc(2024, 3, 31)),
        ],
    )
    def test_clamps_the_day_of_a_shorter_month(self, steps: int, moved: datetime) -> None:
        assert Period(PeriodType.Month).shift(utc(2024, 1, 31), steps, UTC) == moved

    def test_days_keep_the_wall_clock_over_a_change_of_offset(self) -> None:
        assert Period(PeriodType.Day).shift(utc(2024, 3, 30, 11), 1, self.BERLIN) == utc(
            2024, 3, 31, 10
        )

    def test_hours_keep_their_length_over_a_change_of_offset(self) -> None:
        assert Period(PeriodType.Hour, 24).shift(utc(2024, 3, 30, 11), 1, self.BERLIN) == utc(
            2024, 3, 31, 11
        )

    def test_a_skipped_time_becomes_the_instant_of_the_jump(self) -> None:
        half_past_two = utc(2024, 3, 30, 1, 30, 0, 5)

        assert Period(PeriodType.Day).shift(half_past_two, 1, self.BERLIN) == utc(2024, 3, 31, 1)

    @pytest.mark.parametrize("hour", [0, 1])
    def test_tells_the_two_passes_of_a_repeated_hour_apart(self, hour: int) -> None:
        day_before = utc(2024, 10, 26, 0, 30)
        repeated = utc(2024, 10, 27, hour, 30)

        assert Period(PeriodType.Day).shift(day_before, 1, self.BERLIN) == utc(2024, 10, 27, 0, 30)
        assert Period(PeriodType.Day).shift(repeated, 0, self.BERLIN) == repeated
        assert Period(PeriodType.Day).shift(repeated, -1, self.BERLIN) == day_before

    @given(zones_and_moments(), periods)
    @settings(deadline=None, max_examples=100)
    def test_by_nothing_changes_nothing(
        self, where: tuple[ZoneInfo, datetime], period: Period
    ) -> None:
        zone, moment = where

        assert period.shift(moment, 0, zone) == moment

    @given(zones_and_moments(), periods, st.integers(1, 20))
    @settings(deadline=None, max_examples=100)
    def test_goes_back_for_negative_steps_and_forward_for_positive(
        self, where: tuple[ZoneInfo, datetime], period: Period, steps: int
    ) -> None:
        zone, moment = where
        moment = moment.replace(year=2000, day=min(moment.day, 28))

        assert period.shift(moment, -1, zone) < moment < period.shift(moment, steps, zone)

    @pytest.mark.parametrize("unit", PeriodType)
    @pytest.mark.parametrize("steps", [10**8, -(10**8), 10**30])
    def test_out_of_the_calendar(self, unit: PeriodType, steps: int) -> None:
        with pytest.raises(InvalidPolicy, match="outside the years 1 to 9999"):
            Period(unit, 10_000).shift(NOON, steps, self.BERLIN)

    def test_refuses_a_naive_moment(self) -> None:
        with pytest.raises(InvalidPolicy, match="has no time zone"):
            Period(PeriodType.Hour).shift(datetime(2024, 1, 1), 1, UTC)  # noqa: DTZ001


class TestStartOfDay:
    @pytest.mark.parametrize(
        ("zone", "day", "start"),
        [
            ("UTC", date(2024, 1, 1), utc(2024, 1, 1)),
            ("Asia/Kathmandu", date(2024, 1, 1), utc(2023, 12, 31, 18, 15)),
            ("America/Sao_Paulo", date(2018, 11, 4), utc(2018, 11, 4, 3)),
            ("Asia/Beirut", date(2022, 3, 27), utc(2022, 3, 26, 22)),
            ("America/Havana", date(2024, 3, 10), utc(2024, 3, 10, 5)),
            ("America/Toronto", date(1919, 3, 31), utc(1919, 3, 31, 4, 30)),
            ("Pacific/Apia", date(2011, 12, 30), utc(2011, 12, 30, 10)),
            ("Pacific/Apia", date(2011, 12, 31), utc(2011, 12, 30, 10)),
            ("Pacific/Kwajalein", date(1993, 8, 21), utc(1993, 8, 21, 12)),
            ("Pacific/Kwajalein", date(1993, 8, 22), utc(1993, 8, 21, 12)),
            ("America/Havana", date(2024, 11, 3), utc(2024, 11, 3, 4)),
            ("America/St_Johns", date(2006, 10, 29), utc(2006, 10, 29, 2, 30)),
            ("Europe/Berlin", date(1850, 1, 1), utc(1849, 12, 31, 23, 6, 32)),
            ("Africa/Monrovia", date(1972, 1, 7), utc(1972, 1, 7, 0, 44, 30)),
        ],
    )
    def test_is_the_first_instant_of_the_date(self, zone: str, day: date, start: datetime) -> None:
        assert start_of_day(day, ZoneInfo(zone)) == start

    @given(zones_and_moments())
    @settings(deadline=None, max_examples=500)
    def test_has_only_earlier_dates_before_it(self, where: tuple[ZoneInfo, datetime]) -> None:
        zone, moment = where
        day = moment.astimezone(zone).date()
        start = start_of_day(day, zone)
        quarters = [start - timedelta(minutes=15) * count for count in range(1, 26 * 4)]
        dates = [before.astimezone(zone).date() for before in [start - MICROSECOND, *quarters]]

        assert start.astimezone(zone).date() >= day
        assert all(earlier < day for earlier in dates)
        assert start <= start_of_day(day + timedelta(days=1), zone)

    def test_knows_the_first_and_the_last_day_of_the_calendar(self) -> None:
        assert start_of_day(date.min, UTC) == utc(1, 1, 1)
        assert start_of_day(date.max, UTC) == utc(9999, 12, 31)

    def test_outside_the_calendar(self) -> None:
        with pytest.raises(InvalidPolicy, match="outside the years 1 to 9999"):
            start_of_day(date.min, timezone(timedelta(hours=14)))


class TestDays:
    def test_day_at_is_the_local_date(self) -> None:
        assert day_at(utc(2024, 1, 1, 23, 30), ZoneInfo("Europe/Berlin")) == date(2024, 1, 2)

    def test_day_at_does_not_go_back_with_the_clocks(self) -> None:
        assert day_at(utc(2006, 10, 29, 3), ZoneInfo("America/St_Johns")) == date(2006, 10, 29)

    @given(zones_and_moments(), st.timedeltas(timedelta(0), timedelta(days=3)))
    @settings(deadline=None, max_examples=400)
    def test_day_at_never_falls(self, where: tuple[ZoneInfo, datetime], later: timedelta) -> None:
        zone, moment = where

        assert day_at(moment, zone) <= day_at(moment + later, zone)

    def test_day_starting_at_is_the_day_or_none(self) -> None:
        apia = ZoneInfo("Pacific/Apia")

        assert day_starting_at(utc(2011, 12, 30, 10), apia) == date(2011, 12, 31)
        assert day_starting_at(utc(2011, 12, 30, 10, 0, 1), apia) is None
        assert day_starting_at(utc(2011, 12, 30), apia) is None

    def test_day_starting_at_knows_the_last_day_of_the_calendar(self) -> None:
        assert day_starting_at(utc(9999, 12, 31), UTC) == date(9999, 12, 31)


class TestZoneNamed:
    def test_returns_the_zone(self) -> None:
        assert zone_named("Asia/Kathmandu") == ZoneInfo("Asia/Kathmandu")

    @pytest.mark.parametrize("name", ["Europe/Berln", "europe/berlin"])
    def test_offers_what_is_close(self, name: str) -> None:
        with pytest.raises(UnknownName, match=f"no time zone named '{name}'.* Europe/Berlin, "):
            zone_named(name)

    @pytest.mark.parametrize("name", ["", "Europe", "../UTC", "/etc/passwd", "x\0y", "ß" * 300])
    def test_refuses_what_is_no_name_at_all(self, name: str) -> None:
        with pytest.raises(UnknownName, match="every name in the IANA time zone database"):
            zone_named(name)
