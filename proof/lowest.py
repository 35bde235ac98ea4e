"""``python -m proof.lowest EXTRA ...``: constraints with the lowest versions that are allowed.

Of what pyproject.toml asks for, with these extras; pip finds the rest, as for everybody.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def lowest(project: dict[str, Any], extras: Iterable[str]) -> list[str]:
    """Return a constraint for each distribution; raise ValueError for one without a lowest."""
    asked_for = {each.name: each for each in _asked_for(project, extras)}
    return sorted(f"{name}=={_floor(each)}" for name, each in asked_for.items())


def _asked_for(project: dict[str, Any], extras: Iterable[str]) -> Iterator[Requirement]:
    """Yield the requirements, with those of the extras of its own that an extra asks for."""
    optional = project.get("optional-dependencies", {})
    texts = [*project["dependencies"], *(text for each in extras for text in optional[each])]
    for each in map(Requirement, texts):
        if each.name == project["name"]:
            yield from _asked_for(project, each.extras)
        else:
            yield each


def _floor(requirement: Requirement) -> str:
    floors = [each.version for each in requirement.specifier if each.operator == ">="]
    if len(floors) != 1:
        raise ValueError(f"{requirement} says no lowest version: write {requirement.name}>=...")
    return floors[0]


if __name__ == "__main__":
    print(*lowest(tomllib.loads(PYPROJECT.read_text())["project"], sys.argv[1:]), sep="\n")
