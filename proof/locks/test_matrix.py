"""The lock matrix: no statement of the application waits for us longer than the budget."""

from __future__ import annotations

import pytest

from proof.locks import page
from proof.locks.cells import CELLS, Cell, Found, explore
from proof.locks.worker import Worker
from tests.support.case_samples import some_of

pytest_plugins = ("tests.support.database_fixtures",)

SHORT = frozenset(
    {
        "create, a foreign key: nobody",
        "create, a foreign key: an open writer of the referenced table, just begun",
        "create, a foreign key and a default partition: an open reader, just begun",
        "create, a big default partition: an open reader, just begun",
        "detach, no foreign key: an open reader of the partition by name, just begun",
        "detach, a foreign key: an open writer of the referenced table, just begun",
        "detach, a foreign key and a default partition: an open writer, just begun",
        "detach, not concurrently, a foreign key: an open reader, for long",
        "finalize, a foreign key: a running report, just begun",
        "attach, a foreign key: an open writer of the referenced table, just begun",
        "attach, an index to build, a foreign key: an open writer, just begun",
        "attach, its detach pending, a foreign key: a running report, just begun",
        "move, attached, a foreign key: an open reader, just begun",
        "move, detached, a foreign key: an open reader of the partition by name, just begun",
        "drop, a foreign key: an open writer of the referenced table, just begun",
        "truncate, a foreign key: an open reader, just begun",
    }
)
"""Each operation beside the holder that is hardest on it; ``make locks`` runs all."""

found: dict[str, Found] = {}


@pytest.mark.parametrize("cell", some_of({str(each): each for each in CELLS}, SHORT))
def test_cell(cell: Cell, worker: Worker) -> None:
    found[str(cell)] = explore(cell, worker)


@pytest.mark.long
def test_the_page_is_written() -> None:
    """What was not tried now, as in a run of some cells, stays as it is there."""
    page.write({**page.read(), **found})


def test_the_page_says_what_was_found() -> None:
    said = page.read()
    assert found
    assert not [f"{each}: {found[each]}" for each in found if found[each] != said.get(each)]


def test_the_page_has_every_cell_and_no_other() -> None:
    said = page.read()
    assert list(said) == [str(cell) for cell in CELLS]
    assert page.written(said) == page.on_page()
