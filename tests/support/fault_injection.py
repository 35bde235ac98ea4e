"""A fault at statements of an operation: the next pass ends where an undisturbed run ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import count

from tests.support.processes import KILLED, killed_at, points_of, wait_until_gone
from tests.support.scenarios import Scenario, undisturbed, what_is_left
from tests.support.table_state import observe

Strike = Callable[[int, Callable[[], object]], str | None]
"""Does the work, with a fault at the point of this number; returns the statement that was struck,
or None where the work ended before."""

VICTIM = "victim"
"""The name of the application whose processes are killed."""


def strike_everywhere(scenario: Scenario, strike: Strike) -> None:
    """Strike at point after point until the operation outlives them all."""
    struck = _strike(scenario, strike, lambda _: count(1))
    missed = [each for each in scenario.through if not any(each in place for place in struck)]
    assert not missed, f"was never struck at {missed}, but at {struck}"


def strike_some(scenario: Scenario, strike: Strike, every: int) -> None:
    """Strike at each ``every``-th point, and at the first of each part it must run ``through``."""

    def some(places: list[str]) -> list[int]:
        firsts = [
            next(point for point, place in enumerate(places, 1) if part in place)
            for part in scenario.through
        ]
        return sorted({*firsts, *range(1, len(places) + 1, every)})

    _strike(scenario, strike, some)


def strike_at(scenario: Scenario, strike: Strike, point: int) -> None:
    """Strike at one point, which the operation gets to."""
    _strike(scenario, strike, lambda _: [point])


def _strike(
    scenario: Scenario, strike: Strike, points: Callable[[list[str]], Iterable[int]]
) -> list[str]:
    """Strike at those ``points`` of what an undisturbed run passes; return what was struck."""
    passed: list[str] = []
    before, after = undisturbed(
        replace(scenario, operate=lambda: passed.extend(points_of(scenario.operate)))
    )
    found: list[str] = []
    places: list[str] = []
    for point in points(passed):
        scenario.prepare()
        place = strike(point, scenario.operate)
        if place is None:
            break
        places.append(place)
        found += what_is_left(scenario, before, after, place)
    assert observe(scenario.model) == after
    assert not found, "\n".join(found)
    assert places
    return places


def killed(point: int, work: Callable[[], object]) -> str | None:
    """Kill the process that does the work, and wait until the server has noticed."""
    code, place = killed_at(point, work, VICTIM)
    if code == 0:
        return None
    assert code == KILLED
    wait_until_gone(VICTIM)
    return place
