"""Ships that nothing hostile may change: what there is of them."""

from __future__ import annotations

from typing import Any

from tests.apps.fleet.models import Ship
from tests.support.database import Database

SHIP = "fleet.ship"
ON, OFF = "fleet_ship_20010101_20010201", "fleet_ship_20010201_20010301"


def rows() -> list[Any]:
    """Return what is there: tables, what is attached, our rows, and the ships in each table."""
    database = Database()
    tables = database.query(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 'fleet_ship_2%'"
    )
    return [
        sorted((name, database.one(f"SELECT count(*) FROM {name}")) for name in tables),
        database.children(Ship),
        [(each.table_name, each.is_attached, each.detach_time) for each in database.logs(Ship)],
    ]
