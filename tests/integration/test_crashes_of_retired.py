"""The same with what is attached back, moved, emptied and dropped: see test_crashes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.plant import halfway, scenarios
from tests.plant.scenarios import Scenario

Kill = Callable[[Scenario], None]

pytest_plugins = ("tests.integration.crash_fixtures",)

pytestmark = [
    pytest.mark.usefixtures("committing"),
    pytest.mark.usefixtures("cleared_plant"),
]


def test_attach(kill: Kill) -> None:
    kill(scenarios.attach())


def test_attach_without_index_and_foreign_key(kill: Kill) -> None:
    kill(scenarios.attach_without_index_and_foreign_key())


def test_attach_beside_a_default_partition(kill: Kill) -> None:
    kill(halfway.attach_beside_a_default_partition())


def test_attach_while_its_detach_is_pending(kill: Kill) -> None:
    kill(halfway.call_off_a_pending_detach())


def test_move_an_attached_one(kill: Kill, archive: str) -> None:
    kill(halfway.move_an_attached_one(archive))


def test_truncate(kill: Kill) -> None:
    kill(halfway.truncate())


def test_move_a_detached_one(kill: Kill, archive: str) -> None:
    kill(scenarios.move_a_detached_one(archive))


def test_drop_after_the_grace(kill: Kill) -> None:
    kill(scenarios.drop_after_the_grace())


def test_drop_by_hand(kill: Kill) -> None:
    kill(scenarios.drop_by_hand())
