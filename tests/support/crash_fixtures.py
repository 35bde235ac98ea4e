"""Fixtures for tests that kill processes at work on the plant's tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.db import connection

from tests.support.fault_injection import fail_at_every_point, fail_at_some_points, killed
from tests.support.scenarios import Scenario
from tests.support.table_state import reset_plant_tables
from tests.support.tablespaces import tablespaces_named


@pytest.fixture
def clean_plant_tables(committing: None) -> Iterator[None]:
    """Leave nothing of it behind."""
    yield
    reset_plant_tables()


@pytest.fixture(params=["at some", pytest.param("everywhere", marks=pytest.mark.long)])
def kill(request: pytest.FixtureRequest) -> Callable[[Scenario], None]:
    """Kills the process at statements of an operation: in ``make faults`` at every one."""
    if request.param == "everywhere":
        return lambda scenario: fail_at_every_point(scenario, killed)
    return lambda scenario: fail_at_some_points(scenario, killed, every=9)


@pytest.fixture
def archive() -> Iterator[str]:
    """A second tablespace."""
    # The whole server has it, and somebody else's tests may run there.
    name = f"archive_of_{connection.settings_dict['NAME']}"
    with tablespaces_named(name):
        yield name
        reset_plant_tables()
