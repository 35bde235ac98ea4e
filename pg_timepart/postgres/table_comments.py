"""Table comments on partitions: the parent and the bounds that a table was made for.

Attached partitions do not need it, since the catalog has both. A detached table is recognised by
its comment and its owner after a crash, a restore from a dump, or the loss of our records.
``unattached_tables`` says what a comment proves.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from typing import Any

from pg_timepart.partitions.bounds import BoundLiterals, Bounds
from pg_timepart.partitions.tables import PartitionComment, Relation

_PREFIX = "pg_timepart "

COMMENT_PATTERN = r"pg\_timepart {%"
"""LIKE pattern of comments that may be ours."""

_SIDES = ("lower", "upper")

MAX_COMMENT = 4000
"""How many characters of a comment are read: one of ours with the longest names is shorter."""

MAX_REMEMBERED = 10_000
"""How many parsed comments and bounds are cached: each pass of a worker reads the same again."""


def comment_text(comment: PartitionComment) -> str:
    """Return the text of the comment; parse_comment() reads it."""
    sides = {"from": comment.bounds.start, "to": comment.bounds.end}
    texts = {side: moment and moment.isoformat() for side, moment in sides.items()}
    parent = {} if comment.table is None else {"schema": comment.schema, "table": comment.table}
    written = comment.literals
    literals = {} if written is None else {"lower": written.lower, "upper": written.upper}
    return _PREFIX + json.dumps({"model": comment.label, **texts, **parent, **literals})


def comment_for(
    label: str, parent: Relation, bounds: Bounds, literals: BoundLiterals | None = None
) -> PartitionComment:
    """Return the comment for a partition of ``parent``, the table of the model ``label``.

    ``literals`` are given where the moments of ``bounds`` do not tell them.
    """
    return PartitionComment(
        label=label, bounds=bounds, schema=parent.schema, table=parent.name, literals=literals
    )


@lru_cache(maxsize=MAX_REMEMBERED)
def parse_comment(text: str | None) -> PartitionComment | None:
    """Return what a table's comment says, or None where it is not one of ours.

    Any owner of a table may comment on it, with any text: no text raises an error.
    """
    if not text or not text.startswith(_PREFIX):
        return None
    try:
        found = json.loads(text.removeprefix(_PREFIX), object_pairs_hook=_once_each)
        return _comment(found)
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _comment(found: dict[str, Any]) -> PartitionComment:
    bounds = Bounds(start=_moment(found["from"]), end=_moment(found["to"]))
    named = {side: _name(found[side]) for side in ("schema", "table") if side in found}
    if len(named) == 1:
        raise ValueError("a schema is nothing without a table, and the other way round")
    literals = _literals(found) if "lower" in found or "upper" in found else None
    return PartitionComment(label=_name(found["model"]), bounds=bounds, literals=literals, **named)


def _literals(found: dict[str, Any]) -> BoundLiterals:
    sides = {side: found[side] if found[side] is None else _name(found[side]) for side in _SIDES}
    return BoundLiterals(**sides)


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
