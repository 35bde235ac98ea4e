"""A schema that is not in search_path: the table's, or that of our own tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection

from pg_timepart.constants import Outcome
from pg_timepart.models import PartitionRun
from tests.faults.own_server import OwnServer
from tests.support import scenarios
from tests.support.scenarios import execute, run_pass, undisturbed, what_is_left

pytestmark = pytest.mark.usefixtures("database")

OURS = ("pg_timepart_partitionconfig", "pg_timepart_partitionlog", "pg_timepart_partitionrun")


@contextmanager
def search_path(path: str) -> Iterator[None]:
    """Let new sessions of the database find tables there."""
    execute(f"ALTER DATABASE postgres SET search_path = {path}")
    connection.close()
    try:
        yield
    finally:
        execute("ALTER DATABASE postgres RESET search_path")
        connection.close()


@contextmanager
def in_the_attic(*tables: str) -> Iterator[None]:
    """Keep these tables in a schema of their own."""
    execute("CREATE SCHEMA attic", *(f"ALTER TABLE {each} SET SCHEMA attic" for each in tables))
    try:
        yield
    finally:
        execute(*(f"ALTER TABLE attic.{each} SET SCHEMA public" for each in tables))
        execute("DROP SCHEMA attic CASCADE")


def test_the_table(database: OwnServer) -> None:
    scenario = scenarios.create_ahead()
    with in_the_attic("plant_measurement"):
        with search_path("attic, public"):
            before, after = undisturbed(scenario)
            scenario.prepare()
        assert run_pass(scenario.model) is Outcome.FAILED
        (run,) = PartitionRun.objects.filter(model_label="plant.measurement")
        assert run.message == (
            "The table plant_measurement of plant.Measurement does not exist in the database"
            " 'default': run migrate, or see that its schema is in search_path"
            " and that the role may use it (GRANT USAGE)."
        )
        with search_path("attic, public"):
            assert not list(what_is_left(scenario, before, after, "the refusal"))


def test_our_own_tables(database: OwnServer) -> None:
    """Nothing can be recorded: the caller gets the error, and the command line says what to do."""
    scenario = scenarios.create_ahead()
    before, after = undisturbed(scenario)
    scenario.prepare()
    with in_the_attic(*OURS):
        with pytest.raises(DatabaseError, match="pg_timepart_partitionconfig"):
            scenario.operate()
        words = StringIO()
        with pytest.raises(CommandError, match="failed"):
            call_command("timepart", "maintain", "plant.measurement", stdout=words)
        assert "see that our tables are in search_path" in words.getvalue()
        with search_path("attic, public"):
            assert not list(what_is_left(scenario, before, after, "the refusal"))
