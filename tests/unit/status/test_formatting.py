"""What a person reads in a terminal."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from pg_timepart.partitions.bounds import Bounds
from pg_timepart.status import formatting
from pg_timepart.text import printable

BERLIN = ZoneInfo("Europe/Berlin")


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "?"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 kB"),
        (1024**2 - 1, "1.0 MB"),
        (12_897_485, "12.3 MB"),
        (5 * 1024**4, "5.0 TB"),
        (5 * 1024**6, "5120.0 PB"),
    ],
)
def test_size(count: int | None, text: str) -> None:
    assert formatting.size(count) == text


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (dt.timedelta(0), "0 ms"),
        (dt.timedelta(milliseconds=8), "8 ms"),
        (dt.timedelta(milliseconds=999.7), "1.0 s"),
        (dt.timedelta(seconds=2.54), "2.5 s"),
        (dt.timedelta(seconds=59.97), "1 min"),
        (dt.timedelta(minutes=5), "5 min"),
        (dt.timedelta(minutes=61, seconds=5), "1 h 1 min"),
        (dt.timedelta(days=3, hours=4, minutes=59), "3 d 4 h"),
        (dt.timedelta(days=3, minutes=59), "3 d"),
        (dt.timedelta(hours=-2), "-2 h"),
    ],
)
def test_duration(span: dt.timedelta, text: str) -> None:
    assert formatting.duration(span) == text


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (utc(2023, 12, 31, 23), utc(2024, 1, 31, 23), "2024-01-01 .. 2024-02-01"),
        (utc(2024, 1, 1, 14), utc(2024, 1, 1, 15), "2024-01-01 15:00 .. 2024-01-01 16:00"),
        (None, utc(2024, 1, 31, 23), "MINVALUE .. 2024-02-01"),
        (utc(2024, 1, 31, 23), None, "2024-02-01 .. MAXVALUE"),
        # Clocks go back at 01:00 UTC: both hours are shown as 02:00.
        (
            utc(2024, 10, 27, 0),
            utc(2024, 10, 27, 1),
            "2024-10-27 02:00+0200 .. 2024-10-27 02:00+0100",
        ),
        (utc(2024, 1, 1, 14, 0, 5), utc(2024, 1, 2, 23), "2024-01-01 15:00:05 .. 2024-01-03"),
        (
            utc(2024, 1, 1, 14, 0, 0, 500),
            utc(2024, 1, 2, 23),
            "2024-01-01 15:00:00.000500 .. 2024-01-03",
        ),
    ],
)
def test_bounds(start: dt.datetime | None, end: dt.datetime | None, text: str) -> None:
    assert formatting.bounds(Bounds(start=start, end=end), BERLIN) == text


def test_a_default_partition_has_everything_else() -> None:
    assert formatting.bounds(None, BERLIN) == "everything else"


def test_a_moment_at_the_edge_of_what_datetime_holds_is_shown_in_utc() -> None:
    assert formatting.moment(utc(1, 1, 1, 2), ZoneInfo("America/New_York")) == "0001-01-01 02:00"


def test_when_something_happened_is_shown_to_the_minute() -> None:
    assert formatting.minute(utc(2024, 1, 1, 14, 3, 59, 999), BERLIN) == "2024-01-01 15:03"


def test_columns_are_aligned_and_numbers_stand_right() -> None:
    assert formatting.table(("NAME", "SIZE", "NOTE"), [("a", "12", ""), ("bcdef", "1", "x")]) == [
        "NAME   SIZE  NOTE",
        "a      12",
        "bcdef  1     x",
    ]
    assert formatting.table(("NAME", "SIZE"), [("a", "12"), ("b", "1")], right=[1]) == [
        "NAME  SIZE",
        "a       12",
        "b        1",
    ]


def test_a_table_without_rows_is_its_headings() -> None:
    assert formatting.table(("NAME", "SIZE"), []) == ["NAME  SIZE"]


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("Größe", 5),
        ("Gro\u0308ße", 5),  # the dots are a character of their own
        ("время", 5),
        ("表テーブル", 10),
        ("zero\u200dwidth", 9),
    ],
)
def test_columns_are_aligned_for_names_in_any_script(name: str, columns: int) -> None:
    assert formatting.width(name) == columns
    wide, narrow = formatting.table((name, "X"), [("a", "b")])
    assert formatting.width(wide.removesuffix("X")) == formatting.width(narrow.removesuffix("b"))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain 5% 'quoted' \"name\"", "plain 5% 'quoted' \"name\""),
        ("two\nlines", r"two\nlines"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("no\u00a0break", "no\u00a0break"),
        ("a\u202eb", r"a\u202eb"),
    ],
)
def test_what_a_name_could_do_to_a_terminal_is_escaped(name: str, shown: str) -> None:
    assert printable(name) == shown
    assert formatting.table(("NAME",), [(name,)])[1] == shown
