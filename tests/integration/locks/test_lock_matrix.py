"""Sample of the lock matrix, compared with docs/locks.md; ``make locks`` runs all of it."""

from __future__ import annotations

import pytest

from proof.locks import results_page
from proof.locks.cells import CELLS, explore
from proof.locks.worker import Worker

BY_NAME = {str(each): each for each in CELLS}

SAMPLE = (
    "create, a foreign key: nobody",
    "create, a foreign key: an open writer of the referenced table, just begun",
    "create, a foreign key and a default partition: an open reader, just begun",
    "create, referred to by a table: an open writer of the referring table, just begun",
    "create, a big default partition: an open reader, just begun",
    "detach, no foreign key: an open reader of the partition by name, just begun",
    "detach, a foreign key: an open writer of the referenced table, just begun",
    "detach, referred to by a table: an open writer of the referring table, just begun",
    "detach, a foreign key and a default partition: an open writer, just begun",
    "detach, not concurrently, a foreign key: an open reader, for long",
    "finalize, a foreign key: a running report, just begun",
    "finalize, referred to by a table: an open reader of the referring table, just begun",
    "attach, a foreign key: an open writer of the referenced table, just begun",
    "attach, an index to build, a foreign key: an open writer, just begun",
    "attach, its detach pending, a foreign key: a running report, just begun",
    "move, attached, a foreign key: an open reader, just begun",
    "move, detached, a foreign key: an open reader of the partition by name, just begun",
    "drop, a foreign key: an open writer of the referenced table, just begun",
    "truncate, a foreign key: an open reader, just begun",
)
"""Each operation beside the holder that is hardest on it."""


@pytest.mark.parametrize("name", SAMPLE)
def test_the_page_says_what_is_found(name: str, observed_worker: Worker) -> None:
    assert explore(BY_NAME[name], observed_worker) == results_page.read()[name]


def test_the_page_has_every_cell_and_no_other() -> None:
    said = results_page.read()
    assert list(said) == [str(cell) for cell in CELLS]
    assert results_page.written(said) == results_page.on_page()
