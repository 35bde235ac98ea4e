"""Random sequences of our operations and of what people do by hand, against a model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import seed
from hypothesis.stateful import run_state_machine_as_test

from tests.drift.clearing import drop_aside
from tests.drift.machine import Drift
from tests.drift.profiles import SHORT, told
from tests.drift.tablespaces import second_tablespace
from tests.drift.world import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def place() -> Iterator[None]:
    World.tally.clear()
    with second_tablespace():
        yield
        drop_aside()


def test_a_few_sequences() -> None:
    run_state_machine_as_test(Drift, settings=SHORT)
    print(told(World.tally))
