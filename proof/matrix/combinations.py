"""Combinations of versions that are tried together."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from allpairspy import AllPairs

FACTORS: OrderedDict[str, Sequence[str]] = OrderedDict(
    pg=("14", "15", "16", "17", "18"),
    python=("3.11", "3.12", "3.13"),
    django=("5.2", "6.0"),
    driver=("psycopg2", "psycopg3"),
)

_IMPOSSIBLE = {"python": "3.11", "django": "6.0"}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Combination:
    """One choice of every version."""

    pg: str
    """PostgreSQL's major version."""

    django: str
    """Django's feature version."""

    python: str
    """Python's feature version."""

    driver: str
    """``psycopg2``, or ``psycopg3``, which Django prefers where both are there."""

    def __str__(self) -> str:
        return f"PostgreSQL {self.pg}, Django {self.django}, Python {self.python}, {self.driver}"

    @property
    def name(self) -> str:
        """Its name as that of a folder."""
        return "-".join(astuple(self))

    @property
    def environment(self) -> str:
        """The name of the virtual environment that it shares with other servers."""
        return "-".join(astuple(self)[1:])


def chosen() -> list[Combination]:
    """Return so many combinations that any two versions of two factors meet, if they can at all.

    So every PostgreSQL meets every Django.
    """
    rows = AllPairs(FACTORS, filter_func=_is_possible)
    return sorted(Combination(**dict(zip(FACTORS, row, strict=True))) for row in rows)


def only(those: Sequence[Combination], wishes: Sequence[tuple[str, str]]) -> list[Combination]:
    """Return those that have, of each factor that is wished for, one of the wished versions."""
    wanted: dict[str, set[str]] = {}
    for factor, version in wishes:
        wanted.setdefault(factor, set()).add(version)
    return [
        each
        for each in those
        if all(getattr(each, factor) in versions for factor, versions in wanted.items())
    ]


def quick(those: Sequence[Combination]) -> list[Combination]:
    """Return few of those: the oldest of everything, and the newest."""
    first, last = min(those, key=_age), max(those, key=_age)
    return [first, last] if first != last else [first]


def _age(combination: Combination) -> tuple[str, ...]:
    return tuple(getattr(combination, factor) for factor in ("python", "django", "pg", "driver"))


def _is_possible(row: Sequence[str]) -> bool:
    """Return whether the first versions, in the order of the factors, can go together."""
    begun = dict(zip(FACTORS, row, strict=False))
    return not _IMPOSSIBLE.items() <= begun.items()
