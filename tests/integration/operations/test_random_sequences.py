"""Short sequences of our operations and of work by hand; ``make drift`` runs long ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import models
from hypothesis.stateful import run_state_machine_as_test

from proof.drift import search_settings
from proof.drift.base_machine import MODELS, STARTS
from proof.drift.fixed_sequences import SEQUENCES, rules_of
from proof.drift.observed_tables import REFERENCES
from proof.drift.other_locations import other_locations_made
from proof.drift.state_machine import DriftMachine
from tests.apps.depot.models import Pallet
from tests.apps.foundry.models import Pulse
from tests.apps.plant.models import Measurement

pytestmark = pytest.mark.usefixtures("committing")

ONCE: dict[str, type[models.Model]] = {
    "operations": Pulse,
    "manual SQL": Measurement,
    "other bounds": Pulse,
    "renames": Pallet,
    "log rows": Pallet,
    "references": Pallet,
}
"""The table of each sequence; those of the others are long."""

IMPOSSIBLE = {
    *(("references", model) for model in MODELS if model not in REFERENCES),
    # PostgreSQL lets no table be emptied that a foreign key refers to, nor an attached partition of
    # it be dropped.
    ("operations", Pallet),
    ("manual SQL", Pallet),
}
"""Sequences with rules that have no effect on such a table."""


@pytest.fixture(autouse=True)
def other_locations(committing: None) -> Iterator[None]:
    DriftMachine.tally.clear()
    with other_locations_made():
        yield


def test_a_few_sequences() -> None:
    run_state_machine_as_test(DriftMachine, settings=search_settings.SHORT)


@pytest.mark.parametrize(
    ("name", "model"),
    [
        pytest.param(name, model, marks=() if ONCE[name] is model else pytest.mark.long)
        for name in SEQUENCES
        for model in MODELS
        if (name, model) not in IMPOSSIBLE
    ],
)
def test_every_rule_takes_effect(name: str, model: type[models.Model]) -> None:
    machine = DriftMachine()
    try:
        machine.begin(
            model=model,
            start=STARTS[0],
            period="Day",
            interval=None,
            grace=None,
            max_retire=31,
        )
        for each in SEQUENCES[name]:
            each.take(machine)
    finally:
        machine.teardown()


def test_no_rule_is_left_out() -> None:
    there = {each.function.__name__ for each in DriftMachine.setup_state().rules}
    assert rules_of(SEQUENCES.values()) == there
