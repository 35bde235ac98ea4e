"""A full disk: an error with a record, nothing lost, everything else done; later it heals."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import DatabaseError

from pg_timepart.constants import Outcome
from pg_timepart.errors import OperationFailed
from pg_timepart.models import PartitionLog, PartitionRun
from tests.apps.plant.models import Reading
from tests.faults.full_disk import files_limited, fill, on_a_small_disk, replaced_by_dev_full
from tests.faults.own_server import OwnServer
from tests.support import scenarios
from tests.support.scenarios import (
    NOW,
    OLD,
    Scenario,
    execute,
    old_partition,
    prepare_old,
    run_pass,
    undisturbed,
    what_is_left,
)
from tests.support.table_state import observe, reset_plant_tables

NO_SPACE = "No space left on device"
ADVICE = "Free or add room on that disk of the server."
OLDER = OLD - dt.timedelta(days=2)
A_DAY = dt.timedelta(days=1)


@pytest.fixture(scope="session")
def small_folder(own_server: OwnServer) -> Path:
    return own_server.make_folder("small")


@pytest.fixture
def small(database: OwnServer, small_folder: Path) -> Iterator[str]:
    """A tablespace on a disk of 2 MB."""
    with database.changed(within=on_a_small_disk(small_folder, megabytes=2)):
        execute(f"CREATE TABLESPACE small LOCATION '{small_folder}'")
        yield "small"
        reset_plant_tables()
        execute("DROP TABLE IF EXISTS ballast", "DROP TABLESPACE small")


def test_what_cannot_be_moved_stays_and_the_rest_of_the_pass_is_done(small: str) -> None:
    """What is dropped after it may be what makes room."""
    attached = prepare_old(Reading, interval=2, detach_tablespace=small, drop_after=30 * A_DAY)

    def prepare() -> None:
        attached()
        Reading.partitioning.create_range(OLDER, OLDER + A_DAY)
        PartitionLog.objects.get(start=OLDER).detach()
        PartitionLog.objects.filter(start=OLDER).update(detached_at=NOW - 31 * A_DAY)

    scenario = Scenario(model=Reading, prepare=prepare, operate=lambda: run_pass(Reading))
    before, after = undisturbed(scenario)
    prepare()
    fill(small)
    assert run_pass(Reading) is Outcome.FAILED
    run = PartitionRun.objects.latest("pk")
    assert [(each["action"], each["outcome"]) for each in run.actions] == [
        ("detach", "done"),
        ("move", "failed"),
        ("drop", "done"),
    ]
    assert NO_SPACE in run.actions[1]["detail"]
    assert ADVICE in run.actions[1]["detail"]
    execute("DROP TABLE ballast")
    assert not list(what_is_left(scenario, before, after, "the full disk"))


def test_room_that_cannot_be_made_is_made_when_there_is_space(small: str) -> None:
    attached = prepare_old(Reading, premake=2, attach_tablespace=small)
    scenario = Scenario(model=Reading, prepare=attached, operate=lambda: run_pass(Reading))
    before, after = undisturbed(scenario)
    scenario.prepare()
    fill(small)
    assert run_pass(Reading) is Outcome.FAILED
    run = PartitionRun.objects.latest("pk")
    assert [(each["action"], each["outcome"]) for each in run.actions] == [("create", "failed")]
    assert NO_SPACE in run.actions[0]["detail"]
    assert observe(Reading) == before
    execute("DROP TABLE ballast")
    assert not list(what_is_left(scenario, before, after, "the full disk"))


def test_a_file_that_may_not_grow(archive: str) -> None:
    """Also where nobody can mount a small disk: the kernel refuses to extend the copy."""
    detached = scenarios.prepare_detached(
        Reading,
        "ALTER TABLE plant_reading_20240305_20240306 SET (fillfactor = 10)",
        "INSERT INTO plant_reading_20240305_20240306 (id, at, value)"
        f" SELECT -n, '{OLD}', n FROM generate_series(1, 40000) n",
        "DELETE FROM plant_reading_20240305_20240306 WHERE value > 1",
        "CHECKPOINT",
    )
    scenario = Scenario(
        model=Reading,
        prepare=detached,
        operate=lambda: old_partition(Reading).set_tablespace(archive),
    )
    before, after = undisturbed(scenario)
    scenario.prepare()
    with files_limited(megabytes=16), pytest.raises(OperationFailed, match="File too large"):
        scenario.operate()
    lost = before.facts - observe(Reading).facts
    assert not [each for each in lost if not each.startswith("row of")]
    run = PartitionRun.objects.latest("pk")
    assert run.outcome == Outcome.FAILED
    assert "could not extend file" in run.actions[0]["detail"]
    assert not list(what_is_left(scenario, before, after, "the refusal"))


def test_no_room_for_the_record_raises_though_all_is_done(database: OwnServer) -> None:
    scenario = scenarios.detach_with_a_foreign_key()
    _, after = undisturbed(scenario)
    scenario.prepare()
    with replaced_by_dev_full("pg_timepart_partitionrun", database):
        with pytest.raises(DatabaseError, match=NO_SPACE):
            scenario.operate()
        assert not after.difference(observe(scenario.model))
    assert run_pass(scenario.model) is Outcome.UNCHANGED
    assert PartitionRun.objects.count() == 0
