"""Where every row is that was ever written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from proof.load.leaves import read_leaves, read_numbers


class Where(StrEnum):
    """Where rows are."""

    ATTACHED = "attached"
    DETACHED = "detached"
    ARCHIVE = "archive"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """The rows of one partition."""

    label: str
    where: Where
    numbers: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """All that was written beside all that was found."""

    written: int
    counts: Mapping[Where, int]
    """How many rows are where."""

    lost: tuple[str, ...]
    """Rows that were acknowledged and are nowhere."""

    doubled: tuple[str, ...]
    """Rows that are there more than once."""

    unknown: tuple[str, ...]
    """Rows that nobody was told had been written."""


def find_rows(label: str, table: str, archive: str | None) -> list[Holding]:
    """Return every partition of this table, wherever it is, with the numbers of its rows."""
    return [
        Holding(
            label=label,
            where=_where(leaf.is_attached, leaf.tablespace, archive),
            numbers=read_numbers(leaf.name) or (),
        )
        for leaf in read_leaves([table])
    ]


def balance(written: Mapping[str, Iterable[int]], holdings: Sequence[Holding]) -> Balance:
    """Return how what was written, by label, and what was found agree."""
    counts: Counter[Where] = Counter()
    found: Counter[tuple[str, int]] = Counter()
    for each in holdings:
        counts[each.where] += len(each.numbers)
        found.update((each.label, number) for number in each.numbers)
    wanted = {(label, number) for label, numbers in written.items() for number in numbers}
    return Balance(
        written=len(wanted),
        counts=counts,
        lost=_names(wanted - found.keys()),
        doubled=_names(row for row, times in found.items() if times > 1),
        unknown=_names(found.keys() - wanted),
    )


def _where(is_attached: bool, tablespace: str, archive: str | None) -> Where:
    if is_attached:
        return Where.ATTACHED
    return Where.ARCHIVE if archive and tablespace == archive else Where.DETACHED


def _names(rows: Iterable[tuple[str, int]]) -> tuple[str, ...]:
    return tuple(f"{label} {number}" for label, number in sorted(rows))
