"""Fault injection at statements of an operation: the next pass ends as an undisturbed one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import count

from tests.support.processes import KILLED, killed_at, points_of, wait_until_gone
from tests.support.scenarios import Scenario, undisturbed, what_is_left
from tests.support.table_state import observe

Fault = Callable[[int, Callable[[], object]], str | None]
"""Does the work, with a fault at the point of this number; returns the interrupted statement,
or None where the work ended before."""

VICTIM = "victim"
"""The name of the application whose processes are killed."""


def fail_at_every_point(scenario: Scenario, fault: Fault) -> None:
    """Fail at point after point until the operation outlives them all."""
    interrupted = _fail_at(scenario, fault, lambda _: count(1))
    missed = [each for each in scenario.through if not any(each in place for place in interrupted)]
    assert not missed, f"was never interrupted at {missed}, but at {interrupted}"


def fail_at_some_points(scenario: Scenario, fault: Fault, every: int) -> None:
    """Fail at each ``every``-th point, and at the first of each part it must run ``through``."""

    def some(places: list[str]) -> list[int]:
        firsts = [
            next(point for point, place in enumerate(places, 1) if part in place)
            for part in scenario.through
        ]
        return sorted({*firsts, *range(1, len(places) + 1, every)})

    _fail_at(scenario, fault, some)


def fail_at_point(scenario: Scenario, fault: Fault, point: int) -> None:
    """Fail at one point, which the operation gets to."""
    _fail_at(scenario, fault, lambda _: [point])


def _fail_at(
    scenario: Scenario, fault: Fault, points: Callable[[list[str]], Iterable[int]]
) -> list[str]:
    """Fail at those ``points`` of what an undisturbed run passes; return those statements."""
    passed: list[str] = []
    before, after = undisturbed(
        replace(scenario, operate=lambda: passed.extend(points_of(scenario.operate)))
    )
    found: list[str] = []
    places: list[str] = []
    for point in points(passed):
        scenario.prepare()
        place = fault(point, scenario.operate)
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
