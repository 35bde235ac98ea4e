from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pg_timepart.constants import PeriodType
from pg_timepart.errors import InvalidPolicy, UnknownName
from pg_timepart.partitions.key_formats.base import Beyond, KeyFormat
from pg_timepart.partitions.key_formats.dates import DateKey
from pg_timepart.partitions.key_formats.registry import format_of_column, key_format_named
from pg_timepart.partitions.key_formats.timestamps import TimestampKey
from pg_timepart.partitions.key_formats.uuid7 import Uuid7
from pg_timepart.partitions.periods import Period
from pg_timepart.partitions.time_zones import start_of_day

APIA = ZoneInfo("Pacific/Apia")
BERLIN = ZoneInfo("Europe/Berlin")
LONG_UNITS = [unit for unit in PeriodType if not Period(unit).is_subday]

zones = st.sampled_from(sorted(available_timezones())).map(ZoneInfo)

moments = st.datetimes(
    datetime(1900, 1, 1),  # noqa: DTZ001
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


class TestKeyFormat:
    @pytest.mark.parametrize(
        ("column_type", "key_format"),
        [("timestamp with time zone", TimestampKey()), ("date", DateKey())],
    )
    def test_is_implied_by_the_type_of_the_column(
        self, column_type: str, key_format: KeyFormat
    ) -> None:
        assert format_of_column(column_type) == key_format
        assert key_format_named(key_format.name) == key_format

    @pytest.mark.parametrize("column_type", ["timestamp without time zone", "bigint", ""])
    def test_is_not_implied_by_other_types(self, column_type: str) -> None:
        assert format_of_column(column_type) is None

    def test_is_the_declared_one_where_the_type_of_the_column_fits(self) -> None:
        assert format_of_column("date", DateKey()) == DateKey()
        assert format_of_column("date", TimestampKey()) is None

    def test_has_one_of_the_registered_names(self) -> None:
        with pytest.raises(
            UnknownName, match=r"no key format named 'week'\. Known: date, epoch_ms, epoch_s"
        ):
            key_format_named("week")

    @pytest.mark.parametrize("key", [TimestampKey(), DateKey()])
    @pytest.mark.parametrize(
        ("text", "side"),
        [
            ("infinity", Beyond.LATER),
            ("-infinity", Beyond.EARLIER),
            ("0044-03-15 00:00:00+00 BC", Beyond.EARLIER),
            ("0044-03-15 BC", Beyond.EARLIER),
            ("10000-01-01 00:00:00+00", Beyond.LATER),
            ("294276-12-31", Beyond.LATER),
        ],
    )
    def test_has_no_moment_beyond_datetime(self, key: KeyFormat, text: str, side: Beyond) -> None:
        assert key.moment(text, UTC) is side

    @pytest.mark.parametrize(
        ("key", "text"),
        [
            (TimestampKey(), "01/02/2024 00:00:00 CET"),
            (TimestampKey(), "2024-01-01 00:00:00"),
            (TimestampKey(), "MINVALUE"),
            (TimestampKey(), ""),
            (DateKey(), "01-02-2024"),
            (DateKey(), "2024-01-01 00:00:00+00"),
            (DateKey(), "-"),
        ],
    )
    def test_refuses_what_it_cannot_read(self, key: KeyFormat, text: str) -> None:
        with pytest.raises(
            InvalidPolicy, match=re.escape(f"'{text}' is not a {key.column_types[0]}")
        ):
            key.moment(text, UTC)

    @pytest.mark.parametrize("key", [TimestampKey(), DateKey()])
    def test_refuses_a_naive_moment(self, key: KeyFormat) -> None:
        with pytest.raises(InvalidPolicy, match="has no time zone"):
            key.literal(datetime(2024, 1, 1), UTC)  # noqa: DTZ001


class TestTimestampKey:
    @pytest.mark.parametrize(
        ("moment", "literal"),
        [
            (utc(2024, 1, 1), "2024-01-01 00:00:00+00:00"),
            (utc(2024, 1, 1, 2, 3, 4, 50), "2024-01-01 02:03:04.000050+00:00"),
            (utc(987, 1, 1), "0987-01-01 00:00:00+00:00"),
            (datetime(2024, 7, 1, tzinfo=BERLIN), "2024-06-30 22:00:00+00:00"),
            (datetime(1850, 1, 1, tzinfo=BERLIN), "1849-12-31 23:06:32+00:00"),
        ],
    )
    def test_writes_the_offset(self, moment: datetime, literal: str) -> None:
        assert TimestampKey().literal(moment, BERLIN) == literal

    @pytest.mark.parametrize(
        ("text", "moment"),
        [
            ("2024-01-01 00:00:00+00", utc(2024, 1, 1)),
            ("2024-01-01 00:00:00+05:30", utc(2023, 12, 31, 18, 30)),
            ("2024-01-01 00:00:00-03", utc(2024, 1, 1, 3)),
            ("1850-01-01 00:00:00+00:53:28", utc(1849, 12, 31, 23, 6, 32)),
            ("2024-01-01 00:00:00.5+00", utc(2024, 1, 1, 0, 0, 0, 500_000)),
            ("2024-01-01 00:00:00.000001+00", utc(2024, 1, 1, 0, 0, 0, 1)),
            ("9999-12-31 23:00:00-05", Beyond.LATER),
            ("0001-01-01 00:00:00+05", Beyond.EARLIER),
        ],
    )
    def test_reads_what_the_server_prints(self, text: str, moment: datetime | Beyond) -> None:
        read = TimestampKey().moment(text, BERLIN)

        assert read == moment
        assert isinstance(read, Beyond) or read.tzinfo is UTC

    @given(st.datetimes(timezones=st.just(UTC)), zones)
    @settings(deadline=None, max_examples=100)
    def test_reads_what_it_writes(self, moment: datetime, zone: ZoneInfo) -> None:
        key = TimestampKey()

        assert key.moment(key.literal(moment, zone), zone) == moment

    @pytest.mark.parametrize("unit", PeriodType)
    def test_takes_every_period(self, unit: PeriodType) -> None:
        TimestampKey().check_period(Period(unit))


class TestDateKey:
    def test_writes_the_local_date(self) -> None:
        assert DateKey().literal(utc(2024, 6, 30, 22), BERLIN) == "2024-07-01"

    def test_takes_the_last_day_of_the_calendar(self) -> None:
        assert DateKey().literal(utc(9999, 12, 31), UTC) == "9999-12-31"
        assert DateKey().moment("9999-12-31", UTC) == utc(9999, 12, 31)

    def test_refuses_a_moment_inside_a_day(self) -> None:
        with pytest.raises(InvalidPolicy, match="starts of days in Europe/Berlin; 2024-07-01"):
            DateKey().literal(utc(2024, 7, 1), BERLIN)

    def test_refuses_a_second_midnight(self) -> None:
        with pytest.raises(InvalidPolicy, match="starts of days"):
            DateKey().literal(utc(2006, 10, 29, 3, 30), ZoneInfo("America/St_Johns"))

    def test_reads_the_start_of_the_local_day(self) -> None:
        assert DateKey().moment("2024-07-01", BERLIN) == utc(2024, 6, 30, 22)

    def test_has_no_moment_for_a_first_day_that_begins_before_the_calendar(self) -> None:
        assert DateKey().moment("0001-01-01", BERLIN) is Beyond.EARLIER

    def test_a_skipped_day_shares_the_start_of_the_next(self) -> None:
        key = DateKey()
        skipped = key.moment("2011-12-30", APIA)
        assert isinstance(skipped, datetime)

        assert skipped == key.moment("2011-12-31", APIA)
        assert key.literal(skipped, APIA) == "2011-12-31"

    def test_bounds_around_a_skipped_day_leave_no_gap(self) -> None:
        days = Period(PeriodType.Day).cut(
            start_of_day(date(2011, 12, 28), APIA), start_of_day(date(2012, 1, 1), APIA), APIA
        )
        written = [
            (DateKey().literal(day.start, APIA), DateKey().literal(day.end, APIA))
            for day in days
            if day.start and day.end
        ]

        assert written == [
            ("2011-12-28", "2011-12-29"),
            ("2011-12-29", "2011-12-31"),
            ("2011-12-31", "2012-01-01"),
        ]

    @given(st.dates(date(1800, 1, 1), date(2200, 1, 1)), zones)
    @settings(deadline=None, max_examples=200)
    def test_reads_what_it_writes(self, day: date, zone: ZoneInfo) -> None:
        key = DateKey()
        start = start_of_day(day, zone)

        assert key.moment(key.literal(start, zone), zone) == start

    @given(
        moments,
        zones,
        st.builds(Period, st.sampled_from(LONG_UNITS), st.integers(1, 40)),
    )
    @settings(deadline=None, max_examples=200)
    def test_can_write_every_bound_of_a_day_or_longer(
        self, moment: datetime, zone: ZoneInfo, period: Period
    ) -> None:
        DateKey().check_period(period)
        here = period.bounds_at(moment, zone)
        assert here.start is not None
        assert here.end is not None

        start, end = (DateKey().literal(side, zone) for side in (here.start, here.end))

        assert start < end

    @pytest.mark.parametrize("unit", ["Minute", "Hour"])
    def test_refuses_periods_below_a_day(self, unit: str) -> None:
        with pytest.raises(InvalidPolicy, match=f"cannot be cut by {unit}: use Day or longer"):
            DateKey().check_period(Period(PeriodType(unit), 48))


@pytest.mark.parametrize("given", ["no", 0, None])
def test_check_version_is_true_or_false(given: Any) -> None:
    with pytest.raises(InvalidPolicy, match=r"check_version must be True or False, not"):
        Uuid7(check_version=given)
