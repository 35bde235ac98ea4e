"""The same with what is attached back, moved, emptied and dropped: see test_crashes."""

from __future__ import annotations

import pytest

from tests.plant import halfway, scenarios
from tests.plant.striking import killed, strike_everywhere

pytest_plugins = ("tests.integration.crash_fixtures",)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("cleared_plant"),
]


def test_attach() -> None:
    strike_everywhere(scenarios.attach(), killed)


def test_attach_without_index_and_foreign_key() -> None:
    strike_everywhere(scenarios.attach_without_index_and_foreign_key(), killed)


def test_attach_beside_a_default_partition() -> None:
    strike_everywhere(halfway.attach_beside_a_default_partition(), killed)


def test_attach_while_its_detach_is_pending() -> None:
    strike_everywhere(halfway.call_off_a_pending_detach(), killed)


def test_move_an_attached_one(archive: str) -> None:
    strike_everywhere(halfway.move_an_attached_one(archive), killed)


def test_truncate() -> None:
    strike_everywhere(halfway.truncate(), killed)


def test_move_a_detached_one(archive: str) -> None:
    strike_everywhere(scenarios.move_a_detached_one(archive), killed)


def test_drop_after_the_grace() -> None:
    strike_everywhere(scenarios.drop_after_the_grace(), killed)


def test_drop_by_hand() -> None:
    strike_everywhere(scenarios.drop_by_hand(), killed)
