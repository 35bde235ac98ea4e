"""Coverage of time by a table's partitions, its gaps and its end. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from pg_timepart.partitions.bounds import Bounds, in_order
from pg_timepart.partitions.tables import Parent, Partition


def uncovered(partitions: Iterable[Partition], start: datetime, end: datetime) -> Iterator[Bounds]:
    """Yield the parts of ``[start, end)`` that no partition covers, pending ones not counting."""
    for each in sorted(covering(partitions), key=in_order):
        if each.start is not None and each.start >= end:
            break
        if each.start is not None and each.start > start:
            yield Bounds(start=start, end=each.start)
        if each.end is None:
            return
        start = max(start, each.end)
    if start < end:
        yield Bounds(start=start, end=end)


def runs_out_at(parent: Parent, now: datetime) -> datetime | None:
    """Return the first moment from ``now`` on whose INSERT would fail; None where none would.

    At the latest it is where the values of the key end.
    """
    if not parent.span.contains(now):
        return now
    ends = (_room_until(parent, now), parent.span.end)
    return min((each for each in ends if each is not None), default=None)


def _room_until(parent: Parent, now: datetime) -> datetime | None:
    if parent.default is not None:
        return None
    at = now
    for each in sorted(covering(parent.partitions), key=in_order):
        if each.contains(at):
            if each.end is None:
                return None
            at = each.end
    return at


def covering(partitions: Iterable[Partition]) -> list[Bounds]:
    """Return the bounds that take rows: those of a pending detach do not."""
    return [each.bounds for each in partitions if each.bounds is not None and not each.is_pending]
