"""Combinations of versions that are tried together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

FACTORS: Mapping[str, Sequence[str]] = {
    "pg": ("14", "15", "16", "17", "18"),
    "python": ("3.11", "3.12", "3.13", "3.14"),
    "django": ("5.2", "6.0"),
    "driver": ("psycopg2", "psycopg3"),
}

_TOO_OLD_FOR = {"6.0": ("3.11",)}
"""By each Django, the Pythons that it does not run on."""


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
    """Return each PostgreSQL with each Python; the Djangos and the drivers alternate.

    So any two versions of two factors meet, if they can at all.
    """
    return sorted(
        _combined(server, interpreter)
        for server in range(len(FACTORS["pg"]))
        for interpreter in range(len(FACTORS["python"]))
    )


def _combined(server: int, interpreter: int) -> Combination:
    """Return the combination of a PostgreSQL and a Python, each named by its place in its factor.

    The driver changes with each step of either, and Django with each Python and every other server:
    in step with the driver they would not all meet.
    """
    python = FACTORS["python"][interpreter]
    djangos = [each for each in FACTORS["django"] if python not in _TOO_OLD_FOR.get(each, ())]
    drivers = FACTORS["driver"]
    return Combination(
        pg=FACTORS["pg"][server],
        python=python,
        django=djangos[(server // 2 + interpreter) % len(djangos)],
        driver=drivers[(server + interpreter) % len(drivers)],
    )


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
