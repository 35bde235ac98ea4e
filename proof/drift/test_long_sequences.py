"""Drift proof: random sequences of operations and manual SQL, for as long as is wanted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import seed
from hypothesis.stateful import run_state_machine_as_test

from proof.drift import search_settings
from proof.drift.other_locations import other_locations_made
from proof.drift.state_machine import DriftMachine

REQUIRED = {
    "their partition",
    "their attach",
    "their attach of a new one",
    "their detach",
    "their concurrent detach",
    "their rename",
    "their drop",
    "their move",
    "their default partition",
    "our create",
    "our create of a range",
    "our attach",
    "our detach",
    "our drop",
    "our move",
    "our settling",
}
"""What a long search must have done, or it has shown little."""

pytestmark = pytest.mark.usefixtures("committing")


@pytest.fixture(autouse=True)
def other_locations(committing: None) -> Iterator[None]:
    DriftMachine.tally.clear()
    with other_locations_made():
        yield


def test_many_sequences() -> None:
    try:
        for number in search_settings.rounds(search_settings.SECONDS, search_settings.SEED):
            print(f"\nDRIFT_SEED={number}", flush=True)
            run_state_machine_as_test(seed(number)(DriftMachine), settings=search_settings.LONG)
    finally:
        print(search_settings.tally_lines(DriftMachine.tally))
    assert REQUIRED - set(DriftMachine.tally) == set()
