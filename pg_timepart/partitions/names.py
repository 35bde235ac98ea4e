"""Names of partitions, and how any name is numbered or shortened. Pure.

Names are for people to read and sort; no bound is ever read from one.
"""

from __future__ import annotations

from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING

from pg_timepart.partitions.time_zones import day_starting_at, in_utc

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator
    from datetime import datetime, tzinfo

    from pg_timepart.partitions.bounds import Bounds

MAX_NAME_BYTES = 63
"""Maximal bytes of an identifier (NAMEDATALEN - 1). PostgreSQL cuts the rest off silently."""


def partition_name(table: str, bounds: Bounds, zone: tzinfo) -> str:
    """Return ``<table>_<start>_<end>``, at most 63 bytes of UTF-8.

    Sides are local dates (``shop_event_20240101_20240201``) where both are starts of days in the
    zone, else both are UTC (``shop_event_20240101t1500_20240101t1600``); an unbounded side is
    ``min`` or ``max``. ``table`` is the parent's name without its schema; a long one is cut and
    gets a hash of the whole. Different bounds get different names.
    """
    finite = [side for side in (bounds.start, bounds.end) if side is not None]
    texts = dict(zip(finite, _as_days(finite, zone) or map(_in_utc, finite), strict=True))
    start = "min" if bounds.start is None else texts[bounds.start]
    end = "max" if bounds.end is None else texts[bounds.end]
    return _fitted(table, f"_{start}_{end}")


def numbered(name: str, separator: str = "_", max_bytes: int = MAX_NAME_BYTES) -> Iterator[str]:
    """Yield ``name``, then ``name_2``, ``name_3`` and so on, none longer than ``max_bytes``."""
    yield name
    yield from (_fitted(name, f"{separator}{number}", max_bytes) for number in count(2))


def free_name(name: str, taken: Container[str], separator: str = "_") -> str:
    """Return ``name``, or its first numbered one that is not ``taken``."""
    return next(each for each in numbered(name, separator) if each not in taken)


def shortened(stem: str, ending: str, max_bytes: int = MAX_NAME_BYTES) -> str:
    """Return both joined; of the stem, as many characters as fit in ``max_bytes`` of UTF-8."""
    room = max_bytes - len(ending.encode())
    return stem.encode()[:room].decode(errors="ignore") + ending


def digest(text: str, length: int) -> str:
    """Return as many hexadecimal digits of the text's hash."""
    return sha256(text.encode()).hexdigest()[:length]


def _as_days(moments: Iterable[datetime], zone: tzinfo) -> list[str] | None:
    """Return such as ``20240101`` for each, or None unless all are starts of local days."""
    days = [day_starting_at(moment, zone) for moment in moments]
    return [day.isoformat().replace("-", "") for day in days if day] if all(days) else None


def _in_utc(moment: datetime) -> str:
    """Return such as ``20240101t1500``; seconds and microseconds follow where not zero."""
    moment = in_utc(moment)
    seconds = f"{moment:%S}" if moment.second or moment.microsecond else ""
    fraction = f"{moment:%f}" if moment.microsecond else ""
    return f"{moment.year:04d}{moment:%m%dt%H%M}{seconds}{fraction}"


def _fitted(stem: str, suffix: str, max_bytes: int = MAX_NAME_BYTES) -> str:
    """Return both joined, the stem cut at a character and marked by its hash if it must be."""
    if len((stem + suffix).encode()) <= max_bytes:
        return stem + suffix
    return shortened(stem, f"_{digest(stem, 8)}{suffix}", max_bytes)
