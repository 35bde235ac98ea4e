"""Fixtures; a test module names this one in ``pytest_plugins``, beside that of the fleet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fleet.models import Ship
from tests.fleet.yard import Yard, at
from tests.hostile.quoting import nothing_breaks_out


@pytest.fixture
def ships(yard: Yard) -> Iterator[None]:
    """Ships with an attached and a detached partition, a row in each."""
    logs = yard.cover(Ship, "2001-01-01", "2001-02-01", "2001-03-01")
    for start in ("2001-01-01", "2001-02-01"):
        Ship.objects.create(sailed_at=at(start))
    logs[1].detach()
    with nothing_breaks_out(yard):
        yield
