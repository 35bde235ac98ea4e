"""Hostile names and values that nobody should give, and somebody does."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

NAME_BYTES = 63
MARK = "zq9"
"""Ends each hostile name: what breaks out of its quotes leaves this word outside of them."""

PAYLOADS = (
    'x"; DROP TABLE hostile_canary; --',
    "x'; DROP TABLE hostile_canary; --",
    "x\\'; DROP TABLE hostile_canary; --",
    "x$$; DROP TABLE hostile_canary; --",
    "$pg_timepart$;DROP TABLE hostile_canary;--",
    "*/ DROP TABLE hostile_canary; /*",
    '"fleet_ship"."x"',
    '"',
    "\\",
    "%",
    "%s %(name)s %% {} {0} {name!r}",
    "<script>alert(1)</script>",
    " \n\t",
    "SELECT",
    "\u202eright to left",
    "🐘" * 15,
    "x" * NAME_BYTES,
)


def marked(payload: str) -> str:
    """Return a name that PostgreSQL keeps whole: the payload, as much as fits, and the mark."""
    room = NAME_BYTES - len(MARK)
    return payload.encode()[:room].decode(errors="ignore") + MARK


NAMES = tuple(map(marked, PAYLOADS))
"""Names that PostgreSQL takes for a table, a schema, an index, a column, a tablespace."""

LABELS = (
    "",
    ".",
    "fleet",
    "fleet.",
    ".ship",
    "fleet.ship.ship",
    "fleet.ship\x00",
    f"fleet.ship; DROP TABLE hostile_canary; --{MARK}",
    "auth.user",
    "nothing.here",
    *NAMES,
)
"""What is no label of a partitioned model."""

MOMENTS = (
    "",
    "now",
    "yesterday",
    "2024-02-30",
    "2024-13-01",
    "10000-01-01",
    "0000-01-01",
    "-2024-01-01",
    "2024-01-01T25:00",
    "2024-01-01T00:00+25:00",
    "2024-01-01T00:00 Europe/Berlin",
    "\u0662\u0660\u0662\u0664-01-01",
    "9" * 5_000,
    *NAMES[:5],
)
"""What is no moment."""

texts = st.one_of(
    st.sampled_from((*NAMES, *LABELS, *MOMENTS)),
    st.text(max_size=80),
)


def identifiers() -> st.SearchStrategy[str]:
    """Return marked names of any text that PostgreSQL knows, which is all but NUL.

    None begins as the server's own schemas do, and nobody else's may.
    """
    known = st.text(st.characters(codec="utf-8", exclude_characters="\x00")).map(marked)
    return known.filter(lambda each: not each.startswith("pg_"))


scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from((-1, 0, 10**6, 2**31, 2**63, -(2**63), 10**30)),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
)

json_values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
"""Whatever a message can carry."""


class UnusualObject:
    """A value of a kind that nobody thought of."""

    def __repr__(self) -> str:
        return "<strange>"


python_values: st.SearchStrategy[Any] = st.one_of(
    json_values,
    st.floats(),
    st.binary(max_size=8),
    st.dates(),
    st.datetimes(),
    st.timedeltas(),
    st.sampled_from((object, UnusualObject(), UnusualObject, len, {1, 2}, ())),
)
"""Whatever a program can pass."""
