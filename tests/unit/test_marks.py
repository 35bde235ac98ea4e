"""The comment that marks a table as ours."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_timepart.marks import like_pattern, mark_text, parse_mark
from pg_timepart.periods import Bounds
from pg_timepart.relations import Mark

MAY = datetime(2024, 5, 1, tzinfo=UTC)
JUNE = datetime(2024, 6, 1, tzinfo=UTC)

moments = st.none() | st.datetimes(timezones=st.just(UTC))


def mark(
    label: str = "shop.event", start: datetime | None = MAY, end: datetime | None = JUNE
) -> Mark:
    return Mark(label=label, bounds=Bounds(start=start, end=end))


def test_a_person_can_read_it() -> None:
    assert mark_text(mark()) == (
        'pg_timepart {"model": "shop.event", "from": "2024-05-01T00:00:00+00:00",'
        ' "to": "2024-06-01T00:00:00+00:00"}'
    )


names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@given(names, moments, moments)
def test_what_is_written_is_read_back(
    label: str, one: datetime | None, other: datetime | None
) -> None:
    if one is not None and other is not None and other < one:
        one, other = other, one
    written = mark(label, one, other)
    assert parse_mark(mark_text(written)) == written


def saying(
    label: str = '"shop.event"', start: str = "null", end: str = '"2024-06-01T00:00:00+00:00"'
) -> str:
    """Return a comment like ours with these pieces of JSON in it."""
    return f'pg_timepart {{"model": {label}, "from": {start}, "to": {end}}}'


@pytest.mark.parametrize(
    "comment",
    [
        None,
        "",
        "what the sensors say",
        "pg_timepart",
        "pg_timepart is what made this",
        "pg_timepart []",
        "pg_timepart 7",
        'pg_timepart {"model": "shop.event"}',
        'pg_timepart {"model": "shop.event", "from": "May", "to": null}',
        'pg_timepart {"model": "shop.event", "from": 5, "to": null}',
        'pg_timepart {"model": "shop.event", "from": "2024-05-01T00:00:00", "to": null}',
        (
            'pg_timepart {"model": "shop.event", "from": "2024-06-01T00:00:00+00:00",'
            ' "to": "2024-05-01T00:00:00+00:00"}'
        ),
        mark_text(mark())[:-5],
        " " + mark_text(mark()),
        saying(start='""'),
        saying(start="0"),
        saying(start="false"),
        saying(start="[]"),
        saying(start="1" * 5000),
        saying(start='"9999-12-31T23:59:59-12:00"', end="null"),
        saying(start='"0001-01-01T00:00:00+14:00"'),
        saying(start="[" * 100_000),
        saying(start='{"a":' * 100_000),
        saying(start="NaN"),
        saying(label="null"),
        saying(label="7"),
        saying(label='""'),
        saying(label='["shop.event"]'),
        saying(label=r'"shop\u0000.event"'),
        saying(label=r'"shop\ud800.event"'),
        saying(label='"shop.other", "model": "shop.event"'),
    ],
)
def test_a_comment_of_somebody_else_is_no_mark(comment: str | None) -> None:
    assert parse_mark(comment) is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | moments.map(str),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
).map(json.dumps)


@given(anything, anything, anything)
def test_no_value_makes_it_raise(label: str, start: str, end: str) -> None:
    found = parse_mark(saying(label, start, end))
    assert found is None or isinstance(json.loads(label), str)


@given(st.integers(min_value=0), st.text(max_size=3))
def test_nor_does_a_mark_with_something_else_in_its_middle(where: int, what: str) -> None:
    text = mark_text(mark())
    place = where % len(text)
    parse_mark(text[:place] + what + text[place + len(what) :])


def matches(pattern: str, text: str) -> bool:
    """Tell what LIKE says."""
    regex = ""
    escaped = False
    for each in pattern:
        if escaped or each not in "\\%_":
            regex, escaped = regex + re.escape(each), False
        elif each == "\\":
            escaped = True
        else:
            regex += ".*" if each == "%" else "."
    return re.fullmatch(regex, text, re.DOTALL) is not None


@given(st.text(min_size=1), st.text(min_size=1))
def test_the_pattern_finds_this_label_alone(label: str, other: str) -> None:
    assert matches(like_pattern(label), mark_text(mark(label)))
    assert matches(like_pattern(label), mark_text(mark(other))) == (label == other)


def test_the_pattern_takes_special_characters_as_they_are() -> None:
    assert not matches(like_pattern("a_b.c%"), mark_text(mark("axb.cde")))
    assert matches(like_pattern('a"b\\c'), mark_text(mark('a"b\\c')))
