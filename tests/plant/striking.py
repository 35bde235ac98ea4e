"""A fault at every statement of an operation: the next pass ends where an undisturbed run ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count

from tests.plant.observing import observe
from tests.plant.scenarios import Scenario, undisturbed, what_is_left
from tests.processes import KILLED, killed_at, wait_until_gone

Strike = Callable[[int, Callable[[], object]], str | None]
"""Does the work, with a fault at the point of this number; returns the statement that was struck,
or None where the work ended before."""

VICTIM = "victim"
"""The name of the application whose processes are killed."""


def strike_everywhere(
    scenario: Scenario, strike: Strike, points: Iterable[int] | None = None
) -> None:
    """Strike at point after point until the operation outlives them all.

    ``points`` are some of them only; then the operation need not outlive the last one.
    """
    before, after = undisturbed(scenario)
    found: list[str] = []
    places: list[str] = []
    for point in count(1) if points is None else points:
        scenario.prepare()
        place = strike(point, scenario.operate)
        if place is None:
            break
        places.append(place)
        found += what_is_left(scenario, before, after, place)
    assert observe(scenario.model) == after
    assert not found, "\n".join(found)
    assert places
    if points is None:
        missed = [each for each in scenario.through if not any(each in place for place in places)]
        assert not missed, f"was never struck at {missed}, but at {places}"


def killed(point: int, work: Callable[[], object]) -> str | None:
    """Kill the process that does the work, and wait until the server has noticed."""
    code, place = killed_at(point, work, VICTIM)
    if code == 0:
        return None
    assert code == KILLED
    wait_until_gone(VICTIM)
    return place
