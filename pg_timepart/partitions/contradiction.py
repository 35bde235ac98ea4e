"""Contradiction between the key format that a model declares and the bounds of its table. Pure.

Numbers can be read by any format. Read by a wrong one, all partitions seem to be past retention, or
the next one centuries away: so nothing is done to a table whose bounds show another format. A
single odd bound, at whatever id, shows nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from pg_timepart.errors import InvalidPolicy, KeyFormatContradicted
from pg_timepart.partitions.bounds import EPOCH, BoundLiterals, Bounds
from pg_timepart.partitions.key_formats.base import Beyond, KeyFormat
from pg_timepart.partitions.key_formats.counted import CountedKey
from pg_timepart.partitions.key_formats.registry import formats_of_type
from pg_timepart.partitions.tables import Parent, Partition

FIRST_YEAR = EPOCH.replace(year=1971)
"""Before it is what seconds say when they are read as milliseconds."""

LATEST = timedelta(days=84_000)
"""About 230 years: how long after its epoch a key says a time that somebody wants."""

FEW = 2
"""So many at least must show another format."""


def contradiction(parent: Parent) -> str | None:
    """Return the sentence that the bounds of a table are not of its declared format, or None."""
    declared = parent.key_format
    if not isinstance(declared, CountedKey):
        return None
    reason = _by_comments(parent) or _by_bounds(parent, declared)
    if reason is None:
        return None
    return (
        f"{parent.name} contradicts the key format {declared.name} that its model declares:"
        f" {reason} Nothing is done to it. Declare the format by which its keys are made."
    )


def refuse_contradiction(parent: Parent) -> None:
    """Raise KeyFormatContradicted where the bounds are not of the declared format."""
    reason = contradiction(parent)
    if reason is not None:
        raise KeyFormatContradicted(reason)


def _by_comments(parent: Parent) -> str | None:
    """Return what differs where our comments say that the literals which are there are other times.

    Other literals are what somebody attached the partition with by hand.
    """
    said = [
        (each.name, each.comment.bounds, each.bounds)
        for each in parent.ranged
        if each.bounds and each.comment and each.comment.literals == each.literals
    ]
    if not said or any(intended == bounds for _, intended, bounds in said):
        return None
    name, intended, bounds = said[0]
    return (
        f"{name} was made for {_shown(intended)}, as its comment says, and by that format its"
        f" bounds are {_shown(bounds)}."
    )


def _by_bounds(parent: Parent, declared: CountedKey) -> str | None:
    literals = _finite(parent.ranged)
    if sum(_is_boundary(declared, each) for each in literals) * 2 >= len(literals):
        return None
    others = formats_of_type(parent.key_type or "")
    fitting = next(
        (each for each in others if each.name != declared.name and _fits(each, literals)), None
    )
    if fitting is not None:
        return f"its bounds are those of {fitting.name}."
    impossible = [each for each in literals if not _is_possible(declared, each)]
    if len(impossible) < FEW or len(impossible) * 2 <= len(literals):
        return None
    return f"by that format, bounds such as {impossible[0]!r} are no times that anybody needs."


def _finite(partitions: Iterable[Partition]) -> list[str]:
    """Return the different bounds that are not open."""
    pairs = (each.literals or BoundLiterals(lower=None, upper=None) for each in partitions)
    sides = (side for each in pairs for side in (each.lower, each.upper))
    return list(dict.fromkeys(side for side in sides if side is not None))


def _fits(other: KeyFormat, literals: Sequence[str]) -> bool:
    """Return whether most of the bounds are whole minutes of our time by the other format."""
    found = [each for each in literals if _is_boundary(other, each) and _is_recent(other, each)]
    return len(found) * 2 > len(literals)


# A minute is the smallest unit of a period, so that all of its boundaries are whole ones.
def _is_boundary(key_format: KeyFormat, literal: str) -> bool:
    moment = _moment(key_format, literal)
    return moment is not None and not (moment.second or moment.microsecond)


def _is_recent(key_format: KeyFormat, literal: str) -> bool:
    moment = _moment(key_format, literal)
    return moment is not None and FIRST_YEAR <= moment < EPOCH + LATEST


def _is_possible(declared: CountedKey, literal: str) -> bool:
    moment = _moment(declared, literal)
    return moment is not None and declared.epoch <= moment < declared.epoch + LATEST


@lru_cache(maxsize=10_000)
def _moment(key_format: KeyFormat, literal: str) -> datetime | None:
    """Return the moment of a bound, or None where the format has none for it."""
    try:
        found = key_format.moment(literal, UTC)
    except InvalidPolicy:
        return None
    return None if isinstance(found, Beyond) else found


def _shown(bounds: Bounds) -> str:
    return f"[{bounds.start or 'MINVALUE'}, {bounds.end or 'MAXVALUE'})"
