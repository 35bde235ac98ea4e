"""The comment on every table that this package makes: whose partition it is, and of which bounds.

Attached partitions do not need it, for the catalog knows all of that. A table that hangs on no
parent is recognised by it, and by its owner, after a crash, a restore from a dump, or the loss of
our rows. ``ownership`` says what it proves.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from typing import Any

from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.tables import Mark, Relation

_PREFIX = "pg_timepart "

MARK_PATTERN = r"pg\_timepart {%"
"""The comments that may be ours, for LIKE."""

MAX_MARK = 4000
"""How many characters of a comment are read: a mark with the longest names is shorter."""

MAX_REMEMBERED = 10_000
"""How many comments are parsed once: each pass of a worker reads the same ones again."""


def mark_text(mark: Mark) -> str:
    """Return the comment for a table; parse_mark() reads it."""
    sides = {"from": mark.bounds.start, "to": mark.bounds.end}
    texts = {side: moment and moment.isoformat() for side, moment in sides.items()}
    parent = {} if mark.table is None else {"schema": mark.schema, "table": mark.table}
    return _PREFIX + json.dumps({"model": mark.label, **texts, **parent})


def mark_of(label: str, parent: Relation, bounds: Bounds) -> Mark:
    """Return the mark of a partition of ``parent``, the table of the model ``label``."""
    return Mark(label=label, bounds=bounds, schema=parent.schema, table=parent.name)


@lru_cache(maxsize=MAX_REMEMBERED)
def parse_mark(comment: str | None) -> Mark | None:
    """Return what a table's comment says, or None where it is not one of ours.

    Anybody may comment on a table of theirs, with whatever text: nothing that it says raises.
    """
    if not comment or not comment.startswith(_PREFIX):
        return None
    try:
        found = json.loads(comment.removeprefix(_PREFIX), object_pairs_hook=_once_each)
        return _mark(found)
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _mark(found: dict[str, Any]) -> Mark:
    bounds = Bounds(start=_moment(found["from"]), end=_moment(found["to"]))
    named = {side: _name(found[side]) for side in ("schema", "table") if side in found}
    if len(named) == 1:
        raise ValueError("a schema is nothing without a table, and the other way round")
    return Mark(label=_name(found["model"]), bounds=bounds, **named)


def _name(value: object) -> str:
    """Return text that the server can have as a name."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"{value!r} is not a name")
    value.encode()  # lone surrogates are no text
    return value


def _moment(value: object) -> datetime | None:
    """Return the moment; None, where there is no bound, is no other empty value."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a moment")
    return datetime.fromisoformat(value)
