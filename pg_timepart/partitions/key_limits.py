"""The first and the last moment that values of a key can have. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pg_timepart.findings import Code, Finding
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.tables import Parent


def key_limits(parent: Parent, wanted: Bounds) -> Iterator[Finding]:
    """Yield findings on that part of ``wanted`` for which no value of the key is."""
    span, key_format = parent.span, parent.key_format
    if key_format is None:
        return
    keys = f"Values of the key {parent.key} ({key_format.name}, {parent.key_type})"
    if span.start is not None and (wanted.start is None or wanted.start < span.start):
        yield Finding(
            Code.KEY_ENDS, f"{keys} begin at {span.start}: there can be no partition before."
        )
    if span.end is not None and (wanted.end is None or wanted.end > span.end):
        yield Finding(
            Code.KEY_ENDS,
            f"{keys} end at {span.end}: from then on every INSERT fails, and there can be no"
            " partition. Change the column to a wider type, or the table to another key, in time.",
        )


def within_key(parent: Parent, pieces: Iterable[Bounds]) -> Iterator[Bounds]:
    """Yield the parts of these contiguous pieces that values of the key can be in."""
    for piece in pieces:
        part = parent.key_format.clip(piece) if parent.key_format else piece
        if part is not None:
            yield part
        elif _is_after(piece, parent.span):
            return


def _is_after(piece: Bounds, span: Bounds) -> bool:
    return piece.start is not None and span.end is not None and piece.start >= span.end
