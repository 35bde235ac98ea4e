"""Random sequences of our operations and of what people do by hand, against a model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import seed, settings
from hypothesis.stateful import run_state_machine_as_test

from proof.drift import profiles
from proof.drift.machine import Drift
from proof.drift.second_places import place
from proof.drift.state import STARTS
from proof.drift.steps import CHAPTERS, rules_of
from tests.apps.plant.models import Measurement

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
def somewhere(committing: None) -> Iterator[None]:
    Drift.tally.clear()
    with place():
        yield


def test_a_few_sequences() -> None:
    run_state_machine_as_test(Drift, settings=settings.get_profile("drift-short"))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_rule_takes_effect(chapter: str) -> None:
    machine = Drift()
    try:
        machine.begin(
            model=Measurement,
            start=STARTS[0],
            period="Day",
            interval=None,
            grace=None,
            fuse=31,
        )
        for each in CHAPTERS[chapter]:
            each.take(machine)
    finally:
        machine.teardown()


def test_no_rule_is_left_out() -> None:
    there = {each.function.__name__ for each in Drift.setup_state().rules}
    assert rules_of(CHAPTERS.values()) == there


@pytest.mark.long
def test_many_sequences() -> None:
    try:
        for number in profiles.rounds(profiles.SECONDS, profiles.SEED):
            print(f"\nDRIFT_SEED={number}", flush=True)
            run_state_machine_as_test(
                seed(number)(Drift), settings=settings.get_profile("drift-long")
            )
    finally:
        print(profiles.told(Drift.tally))
    assert REQUIRED - set(Drift.tally) == set()
