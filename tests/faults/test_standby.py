"""A server that takes no writes: a standby before and after its promotion, or by a setting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import DatabaseError, connection

from deploy.local import Server
from pg_timepart.constants import Outcome
from pg_timepart.maintenance.maintain import maintain_all
from pg_timepart.models import PartitionRun
from tests.apps.plant.models import Measurement
from tests.faults.crash_during_detach import crash_while_it_waits
from tests.faults.own_server import OwnServer
from tests.faults.standby import promote, standby_of, wait_for_replay
from tests.support import scenarios
from tests.support.all_scenarios import ALL_SCENARIOS
from tests.support.other_database import using_database
from tests.support.scenarios import NOW, execute, pending, undisturbed, what_is_left
from tests.support.table_state import observe

ADVICE = "The server is a standby, or default_transaction_read_only is on"
REFUSED = ("create ahead", "detach with a foreign key", "attach", "move", "drop by hand")


@pytest.fixture
def standby(
    database: OwnServer, archive: str, archive_folder: Path, tmp_path: Path
) -> Iterator[Server]:
    folder = database.folder.with_name(tmp_path.name)
    with standby_of(database, folder, archive_folder) as running:
        yield running


def test_on_a_standby_the_caller_learns_of_it_and_nothing_is_written(
    database: OwnServer, standby: Server
) -> None:
    scenario = scenarios.create_ahead()
    before, after = undisturbed(scenario)
    scenario.prepare()
    wait_for_replay(database, standby)
    with using_database(standby.url):
        with pytest.raises(DatabaseError, match="read-only transaction"):
            scenario.operate()
        (report,) = (each for each in maintain_all(now=NOW) if each.label == "plant.measurement")
        assert report.outcome is Outcome.FAILED
        assert ADVICE in report.message
        assert observe(scenario.model) == before
    assert not PartitionRun.objects.filter(model_label=report.label).exists()
    assert not list(what_is_left(scenario, before, after, "the try on the standby"))


def test_what_the_primary_began_is_ended_on_the_standby_that_is_promoted(
    database: OwnServer, standby: Server
) -> None:
    """The primary dies while a concurrent detach waits for a reader."""
    scenario = scenarios.detach_with_a_foreign_key()
    before, after = undisturbed(scenario)
    crash_while_it_waits(scenario, database, lambda: wait_for_replay(database, standby))
    try:
        promote(standby)
        with using_database(standby.url):
            assert pending(Measurement)
            assert not list(what_is_left(scenario, before, after, "the failover"))
    finally:
        database.start()


@pytest.mark.parametrize("name", REFUSED)
def test_a_database_that_is_read_only_by_a_setting(
    name: str, archive: str, database: OwnServer
) -> None:
    scenario = ALL_SCENARIOS[name](archive)
    before, after = undisturbed(scenario)
    scenario.prepare()
    with read_only(), pytest.raises(DatabaseError, match="read-only transaction"):
        scenario.operate()
    assert observe(scenario.model) == before
    assert not list(what_is_left(scenario, before, after, "the refusal"))


@contextmanager
def read_only() -> Iterator[None]:
    """Let new sessions of the default database write nothing."""
    execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
    connection.close()
    try:
        yield
    finally:
        execute(
            "SET default_transaction_read_only = off",
            "ALTER DATABASE postgres RESET default_transaction_read_only",
        )
        connection.close()
