"""Balance of rows: all that were written, and where each of them is now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from proof.load.partitions import read_numbers, read_partitions


class Location(StrEnum):
    """Where rows are."""

    ATTACHED = "attached"
    DETACHED = "detached"
    ARCHIVE = "archive"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionRows:
    """The rows of one partition."""

    label: str
    location: Location
    numbers: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowBalance:
    """All that was written beside all that was found."""

    written: int
    counts: Mapping[Location, int]
    """How many rows are where."""

    lost: tuple[str, ...]
    """Rows that were acknowledged and are nowhere."""

    doubled: tuple[str, ...]
    """Rows that are there more than once."""

    unknown: tuple[str, ...]
    """Rows that nobody was told had been written."""


def find_rows(label: str, table: str, archive: str | None) -> list[PartitionRows]:
    """Return every partition of this table, wherever it is, with the numbers of its rows."""
    return [
        PartitionRows(
            label=label,
            location=_location(partition.is_attached, partition.tablespace, archive),
            numbers=read_numbers(partition.name) or (),
        )
        for partition in read_partitions([table])
    ]


def balance(
    written: Mapping[str, Iterable[int]], partitions: Sequence[PartitionRows]
) -> RowBalance:
    """Return how what was written, by label, and what was found agree."""
    counts: Counter[Location] = Counter()
    found: Counter[tuple[str, int]] = Counter()
    for each in partitions:
        counts[each.location] += len(each.numbers)
        found.update((each.label, number) for number in each.numbers)
    wanted = {(label, number) for label, numbers in written.items() for number in numbers}
    return RowBalance(
        written=len(wanted),
        counts=counts,
        lost=_names(wanted - found.keys()),
        doubled=_names(row for row, times in found.items() if times > 1),
        unknown=_names(found.keys() - wanted),
    )


def _location(is_attached: bool, tablespace: str, archive: str | None) -> Location:
    if is_attached:
        return Location.ATTACHED
    return Location.ARCHIVE if archive and tablespace == archive else Location.DETACHED


def _names(rows: Iterable[tuple[str, int]]) -> tuple[str, ...]:
    return tuple(f"{label} {number}" for label, number in sorted(rows))
