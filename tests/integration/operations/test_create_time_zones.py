"""Creating in zones: the configured one, the session's, the role's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from pg_timepart.maintenance.maintain import maintain
from tests.apps.fleet.models import Crossing, Ship
from tests.support.database import Database, at

if TYPE_CHECKING:
    from pytest_django import Settings

MAY = "2024-05-15 10:30"


def test_days_of_the_zone_over_the_night_without_midnight(
    database: Database, settings: Settings
) -> None:
    settings.PARTITION_TIMEZONE = "America/Sao_Paulo"
    database.configure(Ship, period="Day")
    maintain("fleet.ship", now=at("2018-11-03 12:00"))
    assert database.ranges(Ship) == [
        ("2018-11-03 03:00:00", "2018-11-04 03:00:00"),
        ("2018-11-04 03:00:00", "2018-11-05 02:00:00"),
        ("2018-11-05 02:00:00", "2018-11-06 02:00:00"),
    ]
    assert [row.table_name for row in database.logs(Ship)][1] == "fleet_ship_20181104_20181105"
    assert maintain("fleet.ship", now=at("2018-11-03 12:00")).outcome == "unchanged"


def test_dates_of_the_zone(database: Database, settings: Settings) -> None:
    settings.PARTITION_TIMEZONE = "America/Sao_Paulo"
    # Three hours before the third in UTC begins there.
    maintain("fleet.crossing", now=at("2018-11-03 01:00"))
    assert database.ranges(Crossing) == [
        ("2018-11-02", "2018-11-03"),
        ("2018-11-03", "2018-11-04"),
        ("2018-11-04", "2018-11-05"),
    ]
    assert database.logs(Crossing)[-1].start == at("2018-11-04 03:00")
    assert maintain("fleet.crossing", now=at("2018-11-03 01:00")).outcome == "unchanged"


@contextmanager
def session_in(database: Database, zone: str) -> Iterator[None]:
    """Have Django keep the session in another zone, as DATABASES may say for each alias."""
    connection = database.connection
    for name in (zone, None):
        connection.close()
        connection.settings_dict["TIME_ZONE"] = name
        for cached in ("timezone", "timezone_name"):
            connection.__dict__.pop(cached, None)
        if name is not None:
            yield


@pytest.mark.parametrize("zone", ["Pacific/Apia", "America/St_Johns", "Asia/Kathmandu"])
def test_the_sessions_zone_changes_nothing(database: Database, zone: str) -> None:
    maintain("fleet.ship", now=at(MAY))
    before = database.ranges(Ship)
    with session_in(database, zone):
        assert database.one("SHOW TIME ZONE") == zone
        assert maintain("fleet.ship", now=at(MAY)).outcome == "unchanged"
        maintain("fleet.ship", now=at("2024-06-15"))
        rows = [(row.start, row.end) for row in database.logs(Ship)]
    assert database.ranges(Ship) == [*before, ("2024-08-01", "2024-09-01")]
    assert rows[-1] == (at("2024-08-01"), at("2024-09-01"))


def test_the_roles_zone_changes_nothing(database: Database) -> None:
    database.execute("ALTER ROLE CURRENT_USER SET timezone TO 'Pacific/Apia'")
    try:
        database.connection.close()
        maintain("fleet.ship", now=at(MAY))
        maintain("fleet.crossing", now=at(MAY))
    finally:
        database.execute("ALTER ROLE CURRENT_USER RESET timezone")
        database.connection.close()
    assert database.ranges(Ship)[0] == ("2024-05-01", "2024-06-01")
    assert database.ranges(Crossing)[0] == ("2024-05-15", "2024-05-16")
    assert maintain("fleet.ship", now=at(MAY)).outcome == "unchanged"


def test_six_hours_are_cut_on_utc(database: Database, settings: Settings) -> None:
    settings.PARTITION_TIMEZONE = "Asia/Kathmandu"
    database.configure(Ship, period="Hour", periods_per_partition=6, premake=1)
    maintain("fleet.ship", now=at(MAY))
    assert database.ranges(Ship) == [
        ("2024-05-15 06:00:00", "2024-05-15 12:00:00"),
        ("2024-05-15 12:00:00", "2024-05-15 18:00:00"),
    ]
