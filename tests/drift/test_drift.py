"""Random sequences of our operations and of what people do by hand, against a model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.drift import profiles
from tests.drift.machine import Drift
from tests.drift.place import place

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def somewhere(transactional_db: None) -> Iterator[None]:
    Drift.tally.clear()
    with place():
        yield


def test_a_few_sequences() -> None:
    run_state_machine_as_test(Drift, settings=settings.get_profile("drift-short"))


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
