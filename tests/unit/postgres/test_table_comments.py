"""The comment that marks a table as ours."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.tables import PartitionComment, Relation
from pg_timepart.postgres.table_comments import (
    MAX_COMMENT,
    comment_for,
    comment_text,
    parse_comment,
)

MAY = datetime(2024, 5, 1, tzinfo=UTC)
JUNE = datetime(2024, 6, 1, tzinfo=UTC)

moments = st.none() | st.datetimes(timezones=st.just(UTC))


def mark(
    label: str = "shop.event", start: datetime | None = MAY, end: datetime | None = JUNE
) -> PartitionComment:
    return PartitionComment(label=label, bounds=Bounds(start=start, end=end))


def test_a_person_can_read_it() -> None:
    assert comment_text(mark()) == (
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
    assert parse_comment(comment_text(written)) == written


def saying(
    label: str = '"shop.event"', start: str = "null", end: str = '"2024-06-01T00:00:00+00:00"'
) -> str:
    """Return a comment like ours with these pieces of JSON in it."""
    return f'pg_timepart {{"model": {label}, "from": {start}, "to": {end}}}'


PARENT = Relation(oid=7, schema="tenant a", name="shop_event")


def test_it_names_the_parent_after_what_old_workers_read() -> None:
    text = comment_text(comment_for("shop.event", PARENT, mark().bounds))
    assert text == comment_text(mark())[:-1] + ', "schema": "tenant a", "table": "shop_event"}'


@given(names, names)
def test_the_parents_names_are_read_back(schema: str, table: str) -> None:
    parent = Relation(oid=7, schema=schema, name=table)
    written = comment_for("shop.event", parent, mark().bounds)
    read = parse_comment(comment_text(written))
    assert read == written
    assert read is not None
    assert read.names(parent)
    assert not read.names(PARENT) or parent == PARENT


def test_the_longest_is_read_whole() -> None:
    longest = Relation(oid=7, schema="\N{PILE OF POO}" * 63, name="\N{PILE OF POO}" * 63)
    label = f"{'a' * 100}.{'b' * 100}"
    assert len(comment_text(comment_for(label, longest, mark().bounds))) < MAX_COMMENT


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
        comment_text(mark())[:-5],
        " " + comment_text(mark()),
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
        saying(end='null, "schema": "public"'),
        saying(end='null, "table": "shop_event"'),
        saying(end='null, "schema": null, "table": "shop_event"'),
        saying(end='null, "schema": "public", "table": ["shop_event"]'),
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
    assert parse_comment(comment) is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | moments.map(str),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
).map(json.dumps)


@given(anything, anything, anything)
def test_no_value_makes_it_raise(label: str, start: str, end: str) -> None:
    found = parse_comment(saying(label, start, end))
    assert found is None or isinstance(json.loads(label), str)


@given(st.integers(min_value=0), st.text(max_size=3))
def test_nor_does_a_mark_with_something_else_in_its_middle(where: int, what: str) -> None:
    text = comment_text(mark())
    place = where % len(text)
    parse_comment(text[:place] + what + text[place + len(what) :])
