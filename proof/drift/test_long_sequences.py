"""Random sequences of our operations and of what people do by hand, for as long as is wanted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import seed
from hypothesis.stateful import run_state_machine_as_test

from proof.drift import profiles
from proof.drift.machine import Drift
from proof.drift.second_places import place

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
def second_places(committing: None) -> Iterator[None]:
    Drift.tally.clear()
    with place():
        yield


def test_many_sequences() -> None:
    try:
        for number in profiles.rounds(profiles.SECONDS, profiles.SEED):
            print(f"\nDRIFT_SEED={number}", flush=True)
            run_state_machine_as_test(seed(number)(Drift), settings=profiles.LONG)
    finally:
        print(profiles.told(Drift.tally))
    assert REQUIRED - set(Drift.tally) == set()
