"""What the catalog says, as values: bounds of every kind, in one query for any number of tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from django.test.utils import CaptureQueriesContext

from pg_timepart.maintenance.maintain import maintain
from pg_timepart.maintenance.reconcile import reconcile
from pg_timepart.partitions.key_formats.timestamps import TimestampKey
from pg_timepart.partitions.tables import Parent
from pg_timepart.postgres.catalog import read_commented, read_named, read_parent, read_parents
from pg_timepart.postgres.catalog import tablespaces as known_tablespaces
from tests.apps.fleet.models import Crossing, Mooring, Ship
from tests.support.database import Database, Tablespaces, at

if TYPE_CHECKING:
    from pytest_django import Settings


def read(database: Database, model: Any = Ship, **options: Any) -> Parent:
    found = read_parent(database.connection, model._meta.db_table, **{"zone": UTC, **options})
    assert found is not None
    return found


def sides(parent: Parent) -> list[tuple[str, Any, Any]]:
    return [
        (each.name, each.bounds and each.bounds.start, each.bounds and each.bounds.end)
        for each in parent.partitions
    ]


def partition(database: Database, name: str, bounds: str, of: str = "fleet_ship") -> None:
    database.execute(f"CREATE TABLE {name} PARTITION OF {of} {bounds}")


def test_the_parent(database: Database) -> None:
    found = read(database)
    assert found.oid == database.one("SELECT 'fleet_ship'::regclass::oid::bigint")
    assert (found.schema, found.name, found.key) == ("public", "fleet_ship", "sailed_at")
    assert (found.key_format, found.key_type) == (TimestampKey(), "timestamp with time zone")
    assert (found.description, found.tablespace) == ("RANGE (sailed_at)", None)
    assert found.home == database.one(
        "SELECT spcname FROM pg_tablespace t JOIN pg_database d ON d.dattablespace = t.oid"
        " WHERE datname = current_database()"
    )
    assert (found.partitions, found.detached, found.default) == ((), (), None)
    assert abs((database.one("SELECT clock_timestamp()") - found.read_at).total_seconds()) < 5


def test_both_bounds_in_their_order_the_default_last(database: Database) -> None:
    partition(database, "c", "FOR VALUES FROM ('2024-05-01 00:00+02') TO (MAXVALUE)")
    partition(database, "rest", "DEFAULT")
    partition(database, "b", "FOR VALUES FROM ('2024-01-01') TO ('2024-02-01 12:30:00.000001')")
    partition(database, "a", "FOR VALUES FROM (MINVALUE) TO ('0001-01-01 00:00 BC')")
    assert sides(read(database)) == [
        ("a", None, at("0001-01-03")),
        ("b", at("2024-01-01"), at("2024-02-01 12:30:00.000001")),
        ("c", at("2024-04-30 22:00"), None),
        ("rest", None, None),
    ]
    default = read(database).default
    assert default is not None
    assert (default.name, default.bounds, default.is_default) == ("rest", None, True)
    assert [each.name for each in read(database).ranged] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("lower", "upper", "has_start", "has_end"),
    [
        ("'-infinity'", "'2024-01-01'", False, True),
        ("'4713-01-01 BC'", "'2024-01-01'", False, True),
        ("'2024-01-01'", "'infinity'", True, False),
        ("'2024-01-01'", "'10000-01-01'", True, False),
        ("MINVALUE", "'-infinity'", False, True),
        ("MINVALUE", "'0044-03-15 BC'", False, True),
        ("'infinity'", "MAXVALUE", True, False),
        ("'10000-01-01'", "'20000-01-01'", True, False),
    ],
)
@pytest.mark.parametrize("model", [Ship, Crossing])
def test_bounds_beyond_the_calendar_are_none_only_where_they_bound_nothing(
    database: Database, model: Any, lower: str, upper: str, has_start: bool, has_end: bool
) -> None:
    table = model._meta.db_table
    partition(database, "leaf", f"FOR VALUES FROM ({lower}) TO ({upper})", of=table)
    (leaf,) = read(database, model).partitions
    assert leaf.bounds is not None
    assert (leaf.bounds.start is not None, leaf.bounds.end is not None) == (has_start, has_end)


@pytest.mark.parametrize(
    "bounds",
    [
        "FROM ('infinity') TO (MAXVALUE)",
        "FROM (MINVALUE) TO ('-infinity')",
        "FROM (MINVALUE) TO ('0001-01-01 BC')",
        "FROM ('10000-01-01') TO (MAXVALUE)",
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_partition_for_what_is_beyond_the_calendar_is_no_room_for_now(
    database: Database, settings: Settings, bounds: str, zone: str
) -> None:
    settings.PARTITION_TIMEZONE = zone
    partition(database, "beyond", f"FOR VALUES {bounds}")
    partition(database, "beyond_days", f"FOR VALUES {bounds}", of="fleet_crossing")
    for model in (Ship, Crossing):
        label = model._meta.label_lower
        assert maintain(label, now=at("2024-05-15")).outcome == "done"
        assert len(database.children(model)) == 4
        assert maintain(label, now=at("2024-05-15")).outcome == "unchanged"
        assert reconcile(label).outcome == "unchanged"


def test_dates_are_starts_of_days_in_the_zone(database: Database) -> None:
    partition(
        database, "leaf", "FOR VALUES FROM ('2018-11-03') TO ('2018-11-04')", of="fleet_crossing"
    )
    zone = ZoneInfo("America/Sao_Paulo")
    assert sides(read(database, Crossing, zone=zone)) == [
        ("leaf", at("2018-11-03 03:00"), at("2018-11-04 03:00"))
    ]


def test_a_name_with_a_schema(database: Database) -> None:
    found = read(database, Mooring)
    assert (found.schema, found.name, found.key) == ("fleet yard", "The Moorings", "Größe o'clock")


def test_a_partition_that_is_partitioned_itself_is_one_partition(database: Database) -> None:
    partition(
        database,
        "big",
        "FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY RANGE (sailed_at)",
    )
    partition(database, "small", "FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')", of="big")
    assert [each.name for each in read(database).partitions] == ["big"]


def test_a_table_that_does_not_exist_is_left_out(database: Database) -> None:
    assert read_parent(database.connection, "fleet_nothing", zone=UTC) is None
    found = read_parents(database.connection, ["fleet_nothing", "fleet_ship"], zone=UTC)
    assert list(found) == ["fleet_ship"]


@pytest.mark.parametrize(
    ("declared", "description"),
    [
        ("", "not partitioned"),
        ("PARTITION BY LIST (at)", "LIST (at)"),
        ("PARTITION BY RANGE (at, id)", "RANGE (at, id)"),
        ("PARTITION BY RANGE ((id + 1))", "RANGE (an expression)"),
        ("PARTITION BY RANGE (id)", "RANGE (id)"),
    ],
)
def test_what_is_not_ours_to_maintain_has_no_key_format(
    database: Database, declared: str, description: str
) -> None:
    database.execute(f"CREATE TABLE fleet_strange (id int, at timestamptz) {declared}")
    found = read_parent(database.connection, "fleet_strange", zone=UTC)
    assert found is not None
    assert (found.key_format, found.description) == (None, description)


def test_an_inheritance_child_is_no_partition(database: Database) -> None:
    database.execute("CREATE TABLE fleet_old (id int, at timestamptz)")
    database.execute("CREATE TABLE fleet_child () INHERITS (fleet_old)")
    found = read_parent(database.connection, "fleet_old", zone=UTC)
    assert found is not None
    assert found.partitions == ()


def test_where_everything_lives(database: Database, tablespaces: Tablespaces) -> None:
    database.execute(f"ALTER TABLE fleet_ship SET TABLESPACE {tablespaces.cold}")
    try:
        partition(database, "a", "FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')")
        past = f"FOR VALUES FROM (MINVALUE) TO ('2024-01-01') TABLESPACE {tablespaces.fast}"
        partition(database, "b", past)
        found = read(database)
    finally:
        database.execute("ALTER TABLE fleet_ship SET TABLESPACE pg_default")
    assert found.tablespace == tablespaces.cold
    assert {each.name: each.tablespace for each in found.partitions} == {
        "a": tablespaces.cold,
        "b": tablespaces.fast,
    }


def test_tablespaces_that_tables_may_live_in(database: Database, tablespaces: Tablespaces) -> None:
    found = set(known_tablespaces(database.connection))
    assert {"pg_default", tablespaces.fast, tablespaces.odd} <= found
    assert "pg_global" not in found


def test_detached_ones_are_found_by_oid_with_their_marks(database: Database) -> None:
    database.cover(Ship, "2024-01-01", "2024-03-01")
    log = database.log(Ship, "2024-01-01")
    log.detach()
    attached = database.log(Ship, "2024-02-01").relid
    found = read(database, detached=[log.relid, attached, 1, 2**32 - 1])
    (off,) = found.detached
    assert (off.oid, off.name, off.bounds, off.is_attached) == (
        log.relid,
        "fleet_ship_20240101_20240201",
        None,
        False,
    )
    assert off.comment is not None
    assert (off.comment.label, off.comment.bounds) == ("fleet.ship", log.bounds)


def test_unattached_tables_are_found_by_their_mark(database: Database) -> None:
    database.cover(Ship, "2024-01-01", "2024-03-01")
    database.log(Ship, "2024-01-01").detach()
    database.execute("CREATE TABLE no_mark ()")
    database.execute("COMMENT ON TABLE no_mark IS 'pg_timepart {\"model\": 7}'")
    (found,) = read_commented(database.connection)
    assert found.name == "fleet_ship_20240101_20240201"
    parent = read(database)
    assert (found.comment is not None and found.comment.names(parent), found.owner) == (
        True,
        parent.owner,
    )
    assert read_commented(database.connection, kinds="f") == ()


def test_an_unattached_table_is_found_by_its_name(database: Database) -> None:
    database.cover(Ship, "2024-01-01", "2024-02-01")
    name = "fleet_ship_20240101_20240201"
    assert read_named(database.connection, "public", name) is None
    database.log(Ship, "2024-01-01").detach()
    found = read_named(database.connection, "public", name)
    assert found is not None
    assert found.comment is not None
    assert read_named(database.connection, "fleet yard", name) is None


def test_any_number_of_tables_and_partitions_is_one_query(database: Database) -> None:
    database.cover(Ship, "2022-01-01", "2024-01-01")
    database.cover(Crossing, "2024-01-01", "2024-01-20")
    names = [model._meta.db_table for model in (Ship, Crossing, Mooring)]
    with CaptureQueriesContext(database.connection) as captured:
        found = read_parents(database.connection, names, zone=UTC, detached={names[0]: [1, 2, 3]})
    assert len(captured) == 1
    assert [len(found[name].partitions) for name in names] == [24, 19, 0]


def test_each_table_gets_what_was_detached_from_it_alone(database: Database) -> None:
    wanted = {}
    for model, end in ((Ship, "2024-02-01"), (Crossing, "2024-01-02")):
        log = database.cover(model, "2024-01-01", end)[0]
        log.detach()
        wanted[model._meta.db_table] = [log.relid]
    found = read_parents(database.connection, list(wanted), zone=UTC, detached=wanted)
    assert {name: [each.oid for each in found[name].detached] for name in wanted} == wanted


@pytest.fixture
def visitor(database: Database) -> Iterator[None]:
    """A role that may not use a schema of its neighbours, which has a partitioned table."""
    database.execute("CREATE SCHEMA neighbour")
    database.execute("CREATE TABLE neighbour.ships (at timestamptz) PARTITION BY RANGE (at)")
    database.execute("CREATE ROLE visitor")
    database.execute("SET ROLE visitor")
    yield
    database.execute("RESET ROLE")
    database.execute("DROP ROLE visitor")


def test_a_schema_that_the_role_may_not_use_hides_no_other_table(
    database: Database, visitor: None
) -> None:
    for name in ('"neighbour"."ships"', '"neighbour"."nothing"', '"nowhere"."ships"'):
        assert read_parents(database.connection, [name, "fleet_ship"], zone=UTC).keys() == {
            "fleet_ship"
        }
