"""A CHECK that is named like ours is ours by its definition alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pg_timepart.maintenance.maintain import maintain
from pg_timepart.models import PartitionLog
from tests.apps.fleet.models import Crossing, Ship
from tests.support.database import Database, at, outcomes

MAY = at("2024-05-15 10:30")
JANUARY = "fleet_ship_20240101_20240201"
BOUNDS = "pg_timepart_bounds"
EXCLUDES = "pg_timepart_excludes"

CHECKS = """
SELECT conname, convalidated FROM pg_constraint
WHERE contype = 'c' AND conrelid = %s::regclass ORDER BY 1
"""


@pytest.fixture
def trap(database: Database) -> Iterator[str]:
    """A function of the table's owner that nothing of ours may call."""
    database.execute(
        "CREATE FUNCTION trap(bigint) RETURNS boolean IMMUTABLE LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE 'caught'; END $$"
    )
    yield "trap(id)"
    database.execute("DROP FUNCTION trap CASCADE")


def detached(database: Database) -> PartitionLog:
    """Return the row of a detached partition that has a row and no CHECK."""
    (log,) = database.cover(Ship, "2024-01-01", "2024-02-01")
    Ship.objects.create(sailed_at=at("2024-01-05"))
    log.detach()
    for name, _ in database.query(CHECKS, JANUARY):
        database.execute(f'ALTER TABLE {JANUARY} DROP CONSTRAINT "{name}"')
    return log


def test_one_of_others_on_a_detached_partition_is_neither_run_nor_dropped(
    database: Database, trap: str
) -> None:
    log = detached(database)
    database.execute(f"ALTER TABLE {JANUARY} ADD CONSTRAINT {BOUNDS} CHECK ({trap}) NOT VALID")
    log.attach()
    assert JANUARY in database.children(Ship)
    assert database.query(CHECKS, JANUARY) == [(BOUNDS, False)]


@pytest.mark.parametrize(
    ("sides", "condition"),
    [
        (("'2024-01-01 00:00+00'", "'2024-02-01 00:00+00'"), "sailed_at >= {} AND sailed_at < {}"),
        (("MINVALUE", "'2024-02-01 00:00+00'"), "sailed_at < {1}"),
        (("'2024-01-01 00:00+00'", "MAXVALUE"), "sailed_at >= {0}"),
        (("MINVALUE", "MAXVALUE"), ""),
    ],
)
def test_one_of_ours_that_an_interrupted_attach_left_is_used_and_dropped(
    database: Database, sides: tuple[str, str], condition: str
) -> None:
    database.execute(
        "CREATE TABLE fleet_wide PARTITION OF fleet_ship FOR VALUES FROM ({}) TO ({})".format(
            *sides
        )
    )
    maintain("fleet.ship", now=MAY)
    log = PartitionLog.objects.get(table_name="fleet_wide")
    log.detach()
    for name, _ in database.query(CHECKS, "fleet_wide"):
        database.execute(f'ALTER TABLE fleet_wide DROP CONSTRAINT "{name}"')
    parts = ["sailed_at IS NOT NULL", *filter(None, [condition.format(*sides)])]
    database.execute(
        f"ALTER TABLE fleet_wide ADD CONSTRAINT {BOUNDS} CHECK ({' AND '.join(parts)}) NOT VALID"
    )
    for other in database.children(Ship):
        database.execute(f"DROP TABLE {other}")
    log.attach()
    statements = " ".join(database.runs(Ship)[0].actions[-1]["statements"])
    assert "ADD CONSTRAINT" not in statements
    assert f'VALIDATE CONSTRAINT "{BOUNDS}"' in statements
    assert database.query(CHECKS, "fleet_wide") == []


def test_that_of_a_date_is_told_too(database: Database) -> None:
    (log,) = database.cover(Crossing, "2024-01-01", "2024-01-02")
    Crossing.partitioning.detach_partition(log)
    for name, _ in database.query(CHECKS, log.table_name):
        database.execute(f'ALTER TABLE {log.table_name} RENAME CONSTRAINT "{name}" TO {BOUNDS}')
    log.attach()
    assert database.query(CHECKS, log.table_name) == []


OF_OTHERS = {
    "something else": "id > 0",
    "another column": "id < 5 OR id >= 7",
    "one more condition": (
        "sailed_at < '1999-01-01' OR name = 'Argo' OR sailed_at >= '1999-02-01'"
    ),
    "one side": "sailed_at < '1999-01-01'",
    "the other way round": "sailed_at >= '1999-02-01' OR sailed_at < '1999-01-01'",
    "a function": "sailed_at < now() OR sailed_at >= '1999-02-01'",
}


@pytest.mark.parametrize("condition", OF_OTHERS.values(), ids=OF_OTHERS)
def test_one_of_others_on_a_default_partition_stays_and_is_nothing_to_do(
    database_with_default: Database, condition: str
) -> None:
    database_with_default.execute(
        f"ALTER TABLE fleet_rest ADD CONSTRAINT {EXCLUDES} CHECK ({condition}) NOT VALID"
    )
    assert maintain("fleet.ship", now=MAY).outcome == "unchanged"
    report = Ship.partitioning.create_range(at("2001-01-01"), at("2001-02-01"))
    assert outcomes(report) == [("create", "done")]
    assert database_with_default.query(CHECKS, "fleet_rest") == [(EXCLUDES, False)]


def test_one_of_others_is_not_run_beside_ours(database_with_default: Database, trap: str) -> None:
    Ship.objects.create(sailed_at=at("1990-01-01"))
    database_with_default.execute(
        f"ALTER TABLE fleet_rest ADD CONSTRAINT {EXCLUDES} CHECK ({trap}) NOT VALID"
    )
    Ship.partitioning.create_range(at("2001-01-01"), at("2001-02-01"))
    statements = " ".join(database_with_default.runs(Ship)[0].actions[0]["statements"])
    assert f'VALIDATE CONSTRAINT "{EXCLUDES}_2"' in statements
    assert database_with_default.query(CHECKS, "fleet_rest") == [(EXCLUDES, False)]


def test_one_with_operators_of_somebody_else_is_not_ours(database_with_default: Database) -> None:
    database_with_default.execute("CREATE SCHEMA theirs")
    try:
        database_with_default.execute(
            "CREATE FUNCTION theirs.less(timestamptz, timestamptz) RETURNS boolean IMMUTABLE"
            " LANGUAGE sql AS 'SELECT false'"
        )
        database_with_default.execute(
            "CREATE OPERATOR theirs.< (FUNCTION = theirs.less,"
            " LEFTARG = timestamptz, RIGHTARG = timestamptz)"
        )
        database_with_default.execute(
            f"ALTER TABLE fleet_rest ADD CONSTRAINT {EXCLUDES} CHECK (sailed_at"
            " OPERATOR(theirs.<) '1999-01-01'::timestamptz OR sailed_at >= '1999-02-01') NOT VALID"
        )
        assert maintain("fleet.ship", now=MAY).outcome == "unchanged"
        assert database_with_default.query(CHECKS, "fleet_rest") == [(EXCLUDES, False)]
    finally:
        database_with_default.execute("DROP SCHEMA theirs CASCADE")
