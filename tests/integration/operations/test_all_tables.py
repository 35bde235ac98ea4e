"""One pass over all tables: together where nothing is to do, and none stops another."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import pytest
from django.test.utils import CaptureQueriesContext

from pg_timepart.errors import OperationFailed
from pg_timepart.maintenance.maintain import maintain_all
from pg_timepart.maintenance.report import Report
from pg_timepart.models import PartitionConfig
from pg_timepart.schema.registry import only_decorated
from tests.apps.fleet.models import Cargo, Crossing, Mooring, Ship
from tests.support.database import PARTITIONED, Database, at

MAY = at("2024-05-15 10:30")
LABELS = {"fleet.ship", "fleet.crossing", "fleet.cargo", "fleet.mooring"}


@pytest.fixture
def fleet_tables(database: Database) -> Iterator[Database]:
    """A project that has the fleet's models alone."""
    with only_decorated(*PARTITIONED):
        yield database


def by_label(reports: list[Report]) -> dict[str, str]:
    return {each.label: each.outcome.value for each in reports}


def test_every_table_is_maintained(fleet_tables: Database) -> None:
    assert by_label(maintain_all(now=MAY)) == dict.fromkeys(LABELS, "done")
    for model in PARTITIONED:
        assert fleet_tables.ranges(model)[0][0] in {"2024-05-01", "2024-05-15"}


def test_with_nothing_to_do_it_is_a_handful_of_queries_for_all(fleet_tables: Database) -> None:
    maintain_all(now=MAY)
    with CaptureQueriesContext(fleet_tables.connection) as captured:
        reports = maintain_all(now=MAY)
    assert by_label(reports) == dict.fromkeys(LABELS, "unchanged")
    assert len(captured) <= 4, [each["sql"] for each in captured.captured_queries]


def test_only_the_table_with_something_to_do_is_touched(fleet_tables: Database) -> None:
    maintain_all(now=MAY)
    fleet_tables.configure(Ship, premake=3)
    assert by_label(maintain_all(now=MAY)) == {
        **dict.fromkeys(LABELS, "unchanged"),
        "fleet.ship": "done",
    }
    assert len(fleet_tables.ranges(Ship)) == 4


def test_that_it_looked_is_noted_for_idle_tables_too(fleet_tables: Database) -> None:
    maintain_all(now=MAY)
    PartitionConfig.objects.update(last_checked_at=None)
    maintain_all(now=MAY)
    checked = PartitionConfig.objects.filter(model_label__startswith="fleet.")
    assert all(each.last_checked_at for each in checked)


def test_a_disabled_one_is_left_alone(fleet_tables: Database) -> None:
    fleet_tables.configure(Ship, enabled=False)
    assert set(by_label(maintain_all(now=MAY))) == LABELS - {"fleet.ship"}
    assert fleet_tables.ranges(Ship) == []


BREAKAGES: dict[str, tuple[list[str], list[str]]] = {
    "table is missing": (
        ["ALTER TABLE fleet_ship RENAME TO fleet_lost"],
        ["ALTER TABLE fleet_lost RENAME TO fleet_ship"],
    ),
    "not partitioned": (
        [
            "ALTER TABLE fleet_ship RENAME TO fleet_lost",
            "CREATE TABLE fleet_ship (id bigint, sailed_at timestamptz)",
        ],
        ["DROP TABLE fleet_ship", "ALTER TABLE fleet_lost RENAME TO fleet_ship"],
    ),
}


@pytest.mark.parametrize(("breaking", "mending"), BREAKAGES.values(), ids=BREAKAGES)
def test_one_that_fails_stops_no_other(
    fleet_tables: Database, breaking: list[str], mending: list[str]
) -> None:
    for statement in breaking:
        fleet_tables.execute(statement)
    try:
        reports = maintain_all(now=MAY)
    finally:
        for statement in mending:
            fleet_tables.execute(statement)
    assert by_label(reports) == {**dict.fromkeys(LABELS, "done"), "fleet.ship": "failed"}


def test_one_with_a_wrong_policy_stops_no_other(fleet_tables: Database) -> None:
    fleet_tables.configure(Ship)
    PartitionConfig.objects.filter(model_label="fleet.ship").update(premake=100_000)
    reports = maintain_all(now=MAY)
    assert by_label(reports) == {**dict.fromkeys(LABELS, "done"), "fleet.ship": "failed"}


def test_one_whose_decorator_cannot_be_stops_no_other(
    fleet_tables: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = {**Ship.partitioning.defaults, "default_interval": 0}
    monkeypatch.setattr(Ship.partitioning, "defaults", defaults)
    reports = maintain_all(now=MAY)
    assert by_label(reports) == {**dict.fromkeys(LABELS, "done"), "fleet.ship": "failed"}
    (broken,) = [each for each in reports if each.label == "fleet.ship"]
    assert "interval must be a whole number, at least 1; it is 0" in broken.reason


def test_a_lost_connection_ends_one_table_alone(fleet_tables: Database) -> None:
    statement = """
    CREATE FUNCTION fleet_kill() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands()
                   WHERE object_identity LIKE 'public.fleet_ship_2%') THEN
            PERFORM pg_terminate_backend(pg_backend_pid());
        END IF;
    END $$
    """
    fleet_tables.execute(statement)
    fleet_tables.execute(
        "CREATE EVENT TRIGGER fleet_kill ON ddl_command_end EXECUTE FUNCTION fleet_kill()"
    )
    try:
        reports = maintain_all(now=MAY)
    finally:
        fleet_tables.connection.close()
        fleet_tables.execute("DROP EVENT TRIGGER fleet_kill")
        fleet_tables.execute("DROP FUNCTION fleet_kill")
    assert by_label(reports) == {**dict.fromkeys(LABELS, "done"), "fleet.ship": "failed"}
    assert fleet_tables.ranges(Ship) == []
    assert fleet_tables.runs(Ship)[0].outcome == "failed"
    maintain_all(now=MAY)
    assert [len(fleet_tables.ranges(model)) for model in (Ship, Crossing, Cargo, Mooring)] == [
        3,
        3,
        3,
        2,
    ]


def test_a_connection_that_commits_nothing_is_told_with_its_setting(fleet_tables: Database) -> None:
    fleet_tables.configure(Ship)
    fleet_tables.connection.close()
    try:
        with patch.dict(fleet_tables.connection.settings_dict, {"AUTOCOMMIT": False}):
            reports = maintain_all(now=MAY)
            with pytest.raises(OperationFailed, match="'AUTOCOMMIT'"):
                Ship.partitioning.create_partition(5)
    finally:
        fleet_tables.connection.close()
    assert by_label(reports) == dict.fromkeys(LABELS, "failed")
    assert all("Set DATABASES['default']['AUTOCOMMIT'] to True" in each.message for each in reports)
    assert not fleet_tables.children(Ship)
