"""Short sequences of our operations and of work by hand; ``make drift`` runs long ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis.stateful import run_state_machine_as_test

from proof.drift import profiles
from proof.drift.machine import Drift
from proof.drift.second_places import place
from proof.drift.state import STARTS
from proof.drift.steps import CHAPTERS, rules_of
from tests.apps.plant.models import Measurement

pytestmark = pytest.mark.usefixtures("committing")


@pytest.fixture(autouse=True)
def second_places(committing: None) -> Iterator[None]:
    Drift.tally.clear()
    with place():
        yield


def test_a_few_sequences() -> None:
    run_state_machine_as_test(Drift, settings=profiles.SHORT)


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
