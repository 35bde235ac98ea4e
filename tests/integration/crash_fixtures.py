"""What tests need in which processes are killed at work on the plant."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection

from tests.plant.observing import clear_plant
from tests.tablespaces import tablespaces_named


@pytest.fixture
def cleared_plant(transactional_db: None) -> Iterator[None]:
    """Leave nothing of it behind."""
    yield
    clear_plant()


@pytest.fixture
def archive() -> Iterator[str]:
    """A second tablespace."""
    # The whole server has it, and somebody else's tests may run there.
    name = f"archive_of_{connection.settings_dict['NAME']}"
    with tablespaces_named(name):
        yield name
        clear_plant()
