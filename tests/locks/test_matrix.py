"""The lock matrix: no statement of the application waits for us longer than the budget."""

from __future__ import annotations

import pytest

from tests.locks.cells import CELLS, Cell, explore
from tests.locks.worker import Worker

pytest_plugins = ("tests.fleet.fixtures",)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_cell(cell: Cell, worker: Worker) -> None:
    found = explore(cell, worker)
    print(cell, found)
