"""Literals to attach a partition with, also where others' bounds lie within a key's unit. Pure.

A moment holds whole units of the key, such as milliseconds. The bound of a table that others made
can have more, such as the version of a UUID: a neighbour made from the moment would overlap it, or
leave a gap of some values beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, tzinfo

from pg_timepart.errors import InvalidPolicy
from pg_timepart.partitions.bounds import BoundLiterals, Bounds
from pg_timepart.partitions.key_formats.base import KeyFormat
from pg_timepart.partitions.tables import Parent

Written = tuple[Bounds, BoundLiterals]
"""The bounds of a partition, and how they are written."""


def literals_for(
    parent: Parent, bounds: Bounds, zone: tzinfo, *known: BoundLiterals | None
) -> BoundLiterals:
    """Return the literals by which a partition of ``parent`` gets these bounds.

    They are the first of ``known`` that say these moments; else, at a side where a partition ends
    or begins, the literal that it has there; else what the key format writes. Raises InvalidPolicy
    where the key cannot express a moment.
    """
    key_format = parent.key_format
    assert key_format is not None  # noqa: S101  # usable() refuses a table without one
    if key_format.is_exact:
        return key_format.write(bounds, zone)
    for each in known:
        if each is not None and _says(key_format, each, bounds, zone):
            return each
    return BoundLiterals(
        lower=_beside(parent, bounds.start, zone, _ends, max),
        upper=_beside(parent, bounds.end, zone, _starts, min),
    )


def _says(key_format: KeyFormat, literals: BoundLiterals, bounds: Bounds, zone: tzinfo) -> bool:
    try:
        return key_format.read(literals, zone) == bounds
    except InvalidPolicy:  # a comment may say anything
        return False


def _beside(
    parent: Parent,
    moment: datetime | None,
    zone: tzinfo,
    sides: Callable[[Iterable[Written]], Iterator[tuple[datetime | None, str | None]]],
    nearest: Callable[..., str],
) -> str | None:
    """Return the literal of one side: a neighbour's, or what the format writes; None if open."""
    key_format = parent.key_format
    if moment is None or key_format is None:
        return None
    for written in (_attached(parent), _detached(parent, key_format, zone)):
        found = [literal for at, literal in sides(written) if literal and at == moment]
        if found:
            return nearest(found, key=lambda each: key_format.sort_key(each, zone))
    return key_format.literal(moment, zone)


def _ends(written: Iterable[Written]) -> Iterator[tuple[datetime | None, str | None]]:
    return ((bounds.end, literals.upper) for bounds, literals in written)


def _starts(written: Iterable[Written]) -> Iterator[tuple[datetime | None, str | None]]:
    return ((bounds.start, literals.lower) for bounds, literals in written)


def _attached(parent: Parent) -> Iterator[Written]:
    for each in parent.ranged:
        if each.bounds is not None and each.literals is not None:
            yield each.bounds, each.literals


def _detached(parent: Parent, key_format: KeyFormat, zone: tzinfo) -> Iterator[Written]:
    """Yield the bounds of detached partitions, which may be attached again beside this one."""
    for each in parent.detached:
        comment, literals = each.comment, each.literals
        if comment and literals and _says(key_format, literals, comment.bounds, zone):
            yield comment.bounds, literals
