"""The folder of a tablespace is gone, or the server may not write in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from pg_timepart.constants import Outcome
from pg_timepart.models import PartitionRun
from tests.apps.depot.models import Pallet
from tests.apps.plant.models import Reading
from tests.support import scenarios
from tests.support.scenarios import Scenario, prepare_old, run_pass, undisturbed, what_is_left
from tests.support.table_state import observe


@contextmanager
def gone(folder: Path) -> Iterator[None]:
    """Take the folder away, as a disk that is not mounted does."""
    elsewhere = folder.with_name(f"{folder.name}-unmounted")
    folder.rename(elsewhere)
    try:
        yield
    finally:
        elsewhere.rename(folder)


@contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """Put what is in the folder where nobody may create anything, not even root."""
    (inside,) = folder.glob("PG_*")
    elsewhere = folder.with_name(f"{folder.name}-writable")
    inside.rename(elsewhere)
    inside.symlink_to("/sys/kernel")
    try:
        yield
    finally:
        inside.unlink()
        elsewhere.rename(inside)


FAULTS: dict[str, tuple[Callable[[Path], AbstractContextManager[None]], str]] = {
    "gone": (gone, "see that the disk of the tablespace is mounted where it was."),
    "unwritable": (
        unwritable,
        "see that the folder of the tablespace archive belongs to the account of the server.",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_move(name: str, archive: str, archive_folder: Path) -> None:
    fault, advice = FAULTS[name]
    scenario = scenarios.detach_and_move(archive)
    before, after = undisturbed(scenario)
    scenario.prepare()
    with fault(archive_folder):
        assert run_pass(Pallet) is Outcome.FAILED
        run = PartitionRun.objects.latest("pk")
        assert [(each["action"], each["outcome"]) for each in run.actions] == [
            ("detach", "done"),
            ("move", "failed"),
        ]
        assert "could not create directory" in run.actions[1]["detail"]
        assert advice in run.actions[1]["detail"]
    assert not list(what_is_left(scenario, before, after, name))


@pytest.mark.parametrize("name", FAULTS)
def test_room_ahead(name: str, archive: str, archive_folder: Path) -> None:
    fault, advice = FAULTS[name]
    scenario = Scenario(
        model=Reading,
        prepare=prepare_old(Reading, premake=2, attach_tablespace=archive),
        operate=lambda: run_pass(Reading),
    )
    before, after = undisturbed(scenario)
    scenario.prepare()
    with fault(archive_folder):
        assert run_pass(Reading) is Outcome.FAILED
        run = PartitionRun.objects.latest("pk")
        assert advice in run.actions[0]["detail"]
        assert observe(Reading) == before
    assert not list(what_is_left(scenario, before, after, name))
