"""Tools that watch an application's queries put something around its connections and cursors."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import pytest
from django.db import connection
from django.db.backends.postgresql.psycopg_any import is_psycopg3

from pg_timepart.maintenance.maintain import maintain
from pg_timepart.maintenance.preview import preview_pass
from pg_timepart.maintenance.target import target_of
from pg_timepart.postgres.driver import driver_connection
from tests.apps.fleet.models import Ship
from tests.support.connection_proxies import PROXIES, behind
from tests.support.database import Database, Tablespaces, at, outcomes

MAY = "2024-05-15 10:30"


@pytest.fixture(params=[*PROXIES.values()], ids=[*PROXIES])
def watched(database: Database, request: pytest.FixtureRequest) -> Iterator[None]:
    """Have a proxy of each kind around the connections."""
    with behind(request.param):
        yield


def test_the_driver_s_own_connection_is_found(watched: None) -> None:
    assert driver_connection(connection) is None
    connection.ensure_connection()
    assert type(driver_connection(connection)).__module__.split(".")[0] in {"psycopg", "psycopg2"}


def test_a_whole_life(watched: None, database: Database, tablespaces: Tablespaces) -> None:
    database.configure(Ship, interval=2, detach_tablespace=tablespaces.cold)
    database.cover(Ship, "2024-01-01", "2024-02-01", "2024-03-01")
    Ship.objects.create(sailed_at=at("2024-01-01"))
    shown = preview_pass(target_of(Ship), now=at(MAY))
    assert any("CREATE TABLE" in each for each in shown.actions[0].steps[0].statements)
    report = maintain("fleet.ship", now=at(MAY))
    assert set(outcomes(report)) == {("create", "done"), ("detach", "done"), ("move", "done")}
    log = database.log(Ship, "2024-01-01")
    assert outcomes(log.attach()) == [("attach", "done")]
    assert Ship.objects.count() == 1
    log.detach()
    assert outcomes(Ship.partitioning.delete_partition(log)) == [("drop", "done")]


@pytest.mark.skipif(not is_psycopg3, reason="psycopg 2 prepares nothing")
def test_statements_that_psycopg_3_would_prepare(database: Database) -> None:
    """The server prepares no string of several statements, which are most of ours."""
    options = {"server_side_binding": True, "prepare_threshold": 2}
    connection.close()
    try:
        with patch.dict(connection.settings_dict["OPTIONS"], options):
            database.configure(Ship, interval=1)
            for month in (5, 6, 7):
                report = database.maintain(Ship, f"2024-0{month}-15")
                assert report.outcome == "done", report.reason
            assert driver_connection(connection).prepare_threshold == 2
    finally:
        connection.close()
