"""Lock matrix: no statement of the application waits for us longer than the budget."""

from __future__ import annotations

import pytest

from proof.locks import results_page
from proof.locks.cells import CELLS, Cell, CellResult, explore
from proof.locks.worker import Worker

found: dict[str, CellResult] = {}


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_cell(cell: Cell, observed_worker: Worker) -> None:
    found[str(cell)] = explore(cell, observed_worker)


def test_the_page_is_written() -> None:
    """What was not tried now, as in a run of some cells, stays as it is there."""
    results_page.write({**results_page.read(), **found})
