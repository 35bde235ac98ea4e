"""Our rows follow the catalog, whoever changed it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.apps.registry import Apps
from django.db import models

from pg_timepart import TimeRangePartitioningSupport
from pg_timepart.constants import ActionKind
from pg_timepart.errors import OperationFailed
from pg_timepart.findings import sentences
from pg_timepart.maintenance.maintain import maintain
from pg_timepart.maintenance.reconcile import reconcile
from pg_timepart.models import PartitionConfig, PartitionLog
from pg_timepart.schema.registry import only_decorated
from pg_timepart.status import status_of
from tests.apps.fleet.models import Crossing, Mooring, Ship
from tests.support.database import Database, at, queries_of_an_idle_pass

NOW = at("2024-03-15")
JANUARY = "fleet_ship_20240101_20240201"


@pytest.fixture
def ships(database: Database) -> Database:
    """January to May, attached."""
    database.cover(Ship, "2024-01-01", "2024-06-01")
    return database


def facts(database: Database, model: Any = Ship) -> list[tuple[str, bool]]:
    return [(row.table_name, row.is_attached) for row in database.logs(model)]


def assert_in_step(database: Database, model: Any = Ship) -> None:
    """See that attached rows and catalog say the same, and that a pass agrees."""
    attached = {(row.table_name, row.relid) for row in database.logs(model) if row.is_attached}
    assert attached == {
        (name, database.one("SELECT %s::regclass::oid::bigint", name))
        for name in database.children(model)
    }
    assert maintain(model._meta.label_lower, now=NOW).outcome == "unchanged"


def test_one_made_by_hand_gets_a_row(ships: Database) -> None:
    ships.execute(
        "CREATE TABLE theirs PARTITION OF fleet_ship"
        " FOR VALUES FROM ('2023-12-01 00:00+00') TO ('2023-12-20 00:00+00')"
    )
    report = maintain("fleet.ship", now=NOW)
    assert report.outcome == "done"
    assert sentences(report.repairs) == "theirs is recorded."
    row = ships.log(Ship, "2023-12-01")
    assert (row.table_name, row.end, row.is_attached) == ("theirs", at("2023-12-20"), True)
    assert_in_step(ships)


def test_one_attached_by_hand_gets_a_row(ships: Database) -> None:
    ships.execute("CREATE TABLE theirs (LIKE fleet_ship INCLUDING DEFAULTS)")
    ships.execute(
        "ALTER TABLE fleet_ship ATTACH PARTITION theirs FOR VALUES FROM (MINVALUE)"
        " TO ('2000-01-01 00:00+00')"
    )
    maintain("fleet.ship", now=NOW)
    row = PartitionLog.objects.get(table_name="theirs")
    assert (row.start, row.end) == (None, at("2000-01-01"))
    assert_in_step(ships)


def test_one_detached_by_hand(ships: Database) -> None:
    ships.execute(f"ALTER TABLE fleet_ship DETACH PARTITION {JANUARY}")
    report = maintain("fleet.ship", now=NOW)
    assert sentences(report.repairs) == f"{JANUARY} was detached outside; its log is updated."
    row = ships.log(Ship, "2024-01-01")
    assert (row.is_attached, row.end) == (False, at("2024-02-01"))
    assert row.detached_at is not None
    assert NOW < row.detached_at < NOW + timedelta(minutes=1)
    assert_in_step(ships)


def test_one_attached_back_by_hand(ships: Database) -> None:
    ships.log(Ship, "2024-01-01").detach()
    ships.execute(
        f"ALTER TABLE fleet_ship ATTACH PARTITION {JANUARY}"
        " FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2024-02-01 00:00+00')"
    )
    maintain("fleet.ship", now=NOW)
    row = ships.log(Ship, "2024-01-01")
    assert (row.is_attached, row.detached_at) == (True, None)
    assert_in_step(ships)


def test_one_attached_back_with_other_bounds(ships: Database) -> None:
    ships.log(Ship, "2024-01-01").detach()
    ships.execute(
        f"ALTER TABLE fleet_ship ATTACH PARTITION {JANUARY}"
        " FOR VALUES FROM ('2024-01-10 00:00+00') TO ('2024-02-01 00:00+00')"
    )
    maintain("fleet.ship", now=NOW)
    assert ships.log(Ship, "2024-01-10").table_name == JANUARY
    assert_in_step(ships)


@pytest.mark.parametrize("is_attached", [True, False])
def test_one_renamed_by_hand(ships: Database, is_attached: bool) -> None:
    if not is_attached:
        ships.log(Ship, "2024-01-01").detach()
    ships.execute(f'ALTER TABLE {JANUARY} RENAME TO "Old January"')
    maintain("fleet.ship", now=NOW)
    assert facts(ships)[0] == ("Old January", is_attached)
    assert len(facts(ships)) == 5
    assert ships.log(Ship, "2024-01-01").unfinished == ""


@pytest.mark.parametrize("is_attached", [True, False])
def test_one_moved_to_another_schema_by_hand(ships: Database, is_attached: bool) -> None:
    log = ships.log(Ship, "2024-01-01")
    if not is_attached:
        log.detach()
    ships.execute(f'ALTER TABLE {JANUARY} SET SCHEMA "fleet yard"')
    maintain("fleet.ship", now=NOW)
    log.refresh_from_db()
    assert (log.schema_name, log.is_attached) == ("fleet yard", is_attached)
    log.attach()
    log.detach()
    log.delete()
    assert not ships.exists(f'"fleet yard".{JANUARY}')


@pytest.mark.parametrize("is_attached", [True, False])
def test_one_dropped_by_hand(ships: Database, is_attached: bool) -> None:
    if not is_attached:
        ships.log(Ship, "2024-01-01").detach()
    ships.execute(f"DROP TABLE {JANUARY}")
    report = maintain("fleet.ship", now=NOW)
    assert sentences(report.repairs) == f"{JANUARY} does not exist any more."
    assert len(facts(ships)) == 4
    assert_in_step(ships)


SECOND = "CREATE TABLE {} (LIKE public.fleet_ship) PARTITION BY RANGE (sailed_at)"
PINNED = at("2099-01-01")


@pytest.fixture
def pinned(ships: Database) -> Database:
    """The same, kept for ever by the config, and January pinned."""
    ships.configure(Ship, interval=None)
    PartitionLog.objects.filter(table_name=JANUARY).update(detach_time=PINNED)
    return ships


def pins(database: Database) -> list[Any]:
    return [row.detach_time for row in database.logs(Ship) if row.table_name == JANUARY]


def test_pins_outlive_a_search_path_that_led_to_another_table(pinned: Database) -> None:
    with second_table(pinned, "other.fleet_ship"):
        pinned.execute("SET search_path TO other, public")
        maintain("fleet.ship", now=NOW)
        reconcile("fleet.ship")
        pinned.execute("SET search_path TO DEFAULT")
    maintain("fleet.ship", now=NOW)
    assert pins(pinned) == [PINNED]
    assert_in_step(pinned)


def test_pins_outlive_it_where_another_model_has_that_table(pinned: Database) -> None:
    options = {"app_label": "fleet", "apps": Apps(), "db_table": 'other"."fleet_ship'}
    fields = {"__module__": __name__, "Meta": type("Meta", (), options)}
    model: Any = type("Namesake", (models.Model,), fields)
    PartitionConfig.objects.create(model_label="fleet.namesake")
    with only_decorated(Ship, model), second_table(pinned, "other.fleet_ship"):
        pinned.execute("SET search_path TO other, public")
        maintain("fleet.ship", now=NOW)
    assert pins(pinned) == [PINNED]


def test_rows_that_are_left_cost_a_pass_two_queries_however_many_they_are(pinned: Database) -> None:
    usual = len(queries_of_an_idle_pass(pinned, NOW))
    with second_table(pinned, "other.fleet_ship"):
        pinned.execute("SET search_path TO other, public")
        left = len(queries_of_an_idle_pass(pinned, NOW))
    assert left <= usual + 2


def test_status_tells_of_partitions_that_hang_on_another_table(pinned: Database) -> None:
    with second_table(pinned, "other.theirs"):
        pinned.execute(f"ALTER TABLE fleet_ship DETACH PARTITION {JANUARY}")
        pinned.execute(
            f"ALTER TABLE other.theirs ATTACH PARTITION {JANUARY}"
            " FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2024-02-01 00:00+00')"
        )
        maintain("fleet.ship", now=NOW)
        assert pins(pinned) == [PINNED]
        told = [each for each in map(str, status_of(Ship).problems) if JANUARY in each]
        assert told[0].startswith(
            f"{JANUARY}, recorded for fleet.ship, is attached to other.theirs and not to"
            " public.fleet_ship:"
        )
        with pytest.raises(OperationFailed, match="or is attached to another table"):
            pinned.log(Ship, "2024-01-01").detach()
        PartitionLog.objects.filter(table_name=JANUARY).delete()
        assert "to other.theirs" not in sentences(status_of(Ship).problems)
        pinned.execute(f"DROP TABLE {JANUARY}")


@contextmanager
def second_table(database: Database, name: str) -> Iterator[None]:
    database.execute("CREATE SCHEMA other")
    try:
        database.execute(SECOND.format(name))
        yield
    finally:
        database.execute("SET search_path TO DEFAULT")
        database.execute("DROP SCHEMA other CASCADE")


@pytest.fixture
def split(pinned: Database) -> Iterator[Any]:
    """The ships have a new table, and another model, which is yielded, the one that they had."""
    pinned.execute("ALTER TABLE fleet_ship RENAME TO fleet_hulk")
    pinned.execute(SECOND.replace("public.fleet_ship", "fleet_hulk").format("fleet_ship"))
    meta = type("Meta", (), {"app_label": "fleet", "apps": Apps(), "db_table": "fleet_hulk"})
    fields = {"sailed_at": models.DateTimeField(), "name": models.CharField(max_length=50)}
    hulk = type("Hulk", (models.Model,), {"__module__": __name__, "Meta": meta, **fields})
    yield TimeRangePartitioningSupport("sailed_at", default_premake=1, default_interval=1)(hulk)
    pinned.execute("DROP TABLE fleet_ship")
    pinned.execute("ALTER TABLE fleet_hulk RENAME TO fleet_ship")


@pytest.fixture
def decorated_split(split: Any) -> Iterator[None]:
    """Both models are the project's."""
    with only_decorated(Ship, split):
        yield


def test_a_table_that_another_model_has_by_now_is_not_retired_by_its_defaults(
    pinned: Database, split: Any, decorated_split: None
) -> None:
    """Nor are pins lost, until a person has said what is wanted of it."""
    maintain("fleet.ship", now=NOW)
    assert pins(pinned) == [PINNED]
    report = pinned.maintain(split, "2024-03-15")
    assert {each.kind for each in report.actions} <= {ActionKind.CREATE}
    assert "PartitionConfig.objects.create(model_label='fleet.hulk', ...)" in report.reason
    assert JANUARY in pinned.children(split)
    PartitionConfig.objects.create(model_label="fleet.hulk", premake=1)
    maintain("fleet.ship", now=NOW)
    pinned.maintain(split, "2024-03-15")
    assert (pins(pinned), JANUARY in [row.table_name for row in pinned.logs(split)]) == ([], True)
    assert pinned.maintain(split, "2024-03-15").outcome == "unchanged"
    assert_in_step(pinned)


def test_one_dropped_and_made_again_by_hand(ships: Database) -> None:
    ships.execute(f"DROP TABLE {JANUARY}")
    ships.execute(
        f"CREATE TABLE {JANUARY} PARTITION OF fleet_ship"
        " FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2024-02-01 00:00+00')"
    )
    maintain("fleet.ship", now=NOW)
    assert len(facts(ships)) == 5
    assert_in_step(ships)


def test_two_that_swapped_their_names(ships: Database) -> None:
    february = "fleet_ship_20240201_20240301"
    ships.execute(f"ALTER TABLE {JANUARY} RENAME TO third")
    ships.execute(f"ALTER TABLE {february} RENAME TO {JANUARY}")
    ships.execute(f"ALTER TABLE third RENAME TO {february}")
    maintain("fleet.ship", now=NOW)
    assert facts(ships)[:2] == [(february, True), (JANUARY, True)]
    assert_in_step(ships)


def test_a_stranger_that_took_the_name_of_a_detached_one_is_not_it(ships: Database) -> None:
    ships.log(Ship, "2024-01-01").detach()
    ships.execute(f"DROP TABLE {JANUARY}")
    ships.execute(f"CREATE TABLE {JANUARY} (theirs int)")
    maintain("fleet.ship", now=NOW)
    assert JANUARY not in [name for name, _ in facts(ships)]
    assert ships.exists(JANUARY)


def test_after_a_restore_with_other_oids_every_row_finds_its_table(ships: Database) -> None:
    ships.log(Ship, "2024-01-01").detach()
    ships.configure(Ship, interval=None)
    pinned = ships.log(Ship, "2024-02-01")
    pinned.detach_time = at("2030-01-01")
    pinned.save()
    for row in ships.logs(Ship):
        PartitionLog.objects.filter(pk=row.pk).update(relid=row.relid + 1_000_000)
    before = {row.pk: (row.table_name, row.is_attached) for row in ships.logs(Ship)}
    maintain("fleet.ship", now=NOW)
    after = {row.pk: (row.table_name, row.is_attached) for row in ships.logs(Ship)}
    assert after == before
    assert ships.log(Ship, "2024-02-01").detach_time == at("2030-01-01")
    assert_in_step(ships)


def test_after_the_loss_of_all_rows_a_pass_records_what_is_attached(ships: Database) -> None:
    ships.log(Ship, "2024-01-01").detach()
    PartitionLog.objects.filter(config__model_label="fleet.ship").delete()
    maintain("fleet.ship", now=NOW)
    assert len(facts(ships)) == 4


def test_after_the_loss_of_all_rows_reconcile_finds_what_is_detached_by_its_mark(
    ships: Database,
) -> None:
    ships.log(Ship, "2024-01-01").detach()
    PartitionLog.objects.filter(config__model_label="fleet.ship").delete()
    report = reconcile("fleet.ship")
    assert f"{JANUARY} was detached and had no row; it has one now." in map(str, report.repairs)
    row = ships.log(Ship, "2024-01-01")
    assert (row.table_name, row.is_attached, row.end) == (JANUARY, False, at("2024-02-01"))
    row.attach()
    assert JANUARY in ships.children(Ship)


def test_a_default_partition_has_no_row(ships: Database) -> None:
    ships.execute("CREATE TABLE rest PARTITION OF fleet_ship DEFAULT")
    assert maintain("fleet.ship", now=NOW).outcome == "unchanged"
    assert "rest" not in [name for name, _ in facts(ships)]


def test_date_bounds_by_hand(database: Database) -> None:
    database.execute(
        "CREATE TABLE theirs PARTITION OF fleet_crossing"
        " FOR VALUES FROM ('2024-03-01') TO ('infinity')"
    )
    maintain("fleet.crossing", now=NOW)
    row = PartitionLog.objects.get(table_name="theirs")
    assert (row.start, row.end) == (at("2024-03-01"), None)
    assert_in_step(database, Crossing)


def test_bounds_written_without_a_zone_are_read_as_the_server_understood_them(
    database: Database,
) -> None:
    database.execute(
        "CREATE TABLE theirs PARTITION OF fleet_ship"
        " FOR VALUES FROM ('2024-03-01 00:00+05:45') TO ('2024-06-01 12:00:00.000001+00')"
    )
    maintain("fleet.ship", now=NOW)
    row = PartitionLog.objects.get(table_name="theirs")
    assert (row.start, row.end) == (at("2024-02-29 18:15"), at("2024-06-01 12:00:00.000001"))


def test_a_table_in_a_schema_of_its_own(database: Database) -> None:
    maintain("fleet.mooring", now=NOW)
    assert {row.schema_name for row in database.logs(Mooring)} == {"fleet yard"}
    assert (
        next(row.table_name for row in database.logs(Mooring)) == "The Moorings_20240301_20240401"
    )
    assert maintain("fleet.mooring", now=NOW).outcome == "unchanged"


def test_reconcile_touches_no_table(ships: Database) -> None:
    before = ships.children(Ship)
    ships.execute(f"ALTER TABLE fleet_ship DETACH PARTITION {JANUARY}")
    reconcile("fleet.ship")
    before.pop(JANUARY)
    assert ships.children(Ship) == before


def test_reconcile_says_what_only_a_person_decides(ships: Database) -> None:
    ships.log(Ship, "2024-03-01").detach()
    ships.execute(
        "CREATE TABLE odd PARTITION OF fleet_ship"
        " FOR VALUES FROM ('2024-06-01 00:00+00') TO ('2024-06-07 00:00+00')"
    )
    ships.execute("CREATE TABLE rest PARTITION OF fleet_ship DEFAULT")
    notes = sentences(reconcile("fleet.ship").notes)
    assert "Nothing covers [2024-03-01 00:00:00+00:00, 2024-04-01 00:00:00+00:00)" in notes
    assert "odd is [2024-06-01 00:00:00+00:00, 2024-06-07 00:00:00+00:00), which is not" in notes
    assert "rest is a default partition" in notes


def test_reconcile_with_nothing_to_say(ships: Database) -> None:
    report = reconcile("fleet.ship")
    assert (report.outcome, report.repairs, report.notes) == ("unchanged", (), ())
