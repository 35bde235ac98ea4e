"""Instances of a model whose primary key is not the key touch the partition of their row alone."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, models
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tests.apps.fleet.models import Crossing, Ship
from tests.support.database import Database, at
from tests.support.touched_partitions import attach, touched

if TYPE_CHECKING:
    from pytest_django import Settings

JANUARY, MARCH = "january", "march"
BOUNDS = ("2020-01-01", "2020-02-01", "2020-03-01", "2020-04-01")


@pytest.fixture(autouse=True)
def partitions(database: Database) -> None:
    attach(database, "fleet_ship", "january february march", *BOUNDS)


def created() -> Ship:
    return Ship.objects.create(sailed_at=at("2020-01-15"))


def loaded() -> Ship:
    return Ship.objects.get(pk=created().pk)


def saved_again() -> Ship:
    ship = created()
    ship.save()
    return ship


def made_in_bulk() -> Ship:
    return Ship.objects.bulk_create([Ship(sailed_at=at("2020-01-15"))])[0]


def pickled() -> Ship:
    ship: Ship = pickle.loads(pickle.dumps(loaded()))
    return ship


def copied() -> Ship:
    return copy.copy(loaded())


def copied_deeply() -> Ship:
    return copy.deepcopy(loaded())


def refreshed() -> Ship:
    ship = Ship.objects.only("name").get(pk=created().pk)
    ship.refresh_from_db(fields=["sailed_at"])
    return ship


def without_its_name() -> Ship:
    return Ship.objects.defer("name").get(pk=created().pk)


def moved() -> Ship:
    ship = Ship.objects.create(sailed_at=at("2020-03-15"))
    ship.sailed_at = at("2020-01-15")
    ship.save(update_fields=["sailed_at"])
    return ship


def saved_with_an_expression() -> Ship:
    ship = loaded()
    ship.name = models.functions.Upper(models.Value("nautilus"))
    ship.save()
    return ship


ORIGINS = [
    created,
    loaded,
    saved_again,
    made_in_bulk,
    pickled,
    copied,
    copied_deeply,
    refreshed,
    without_its_name,
    moved,
    saved_with_an_expression,
]


@pytest.mark.parametrize("origin", ORIGINS)
def test_every_statement_about_the_row_touches_its_partition_alone(
    origin: Callable[[], Ship],
) -> None:
    ship = origin()
    statements: list[Callable[[], Any]] = [
        ship.refresh_from_db,
        async_to_sync(ship.arefresh_from_db),
        lambda: ship.refresh_from_db(fields=["name"], from_queryset=Ship.objects.all()),
        ship.save,
        lambda: ship.save(force_update=True),
        lambda: ship.save(update_fields=["name"]),
        async_to_sync(ship.asave),
        lambda: ship.name,
        ship.delete,
    ]
    for statement in statements:
        with touched(Ship) as names:
            statement()
        assert names <= {JANUARY}
    assert not Ship.objects.exists()
    again = origin()
    with touched(Ship) as names:
        assert async_to_sync(again.adelete)() == (1, {"fleet.Ship": 1})
    assert names == {JANUARY}


def test_a_column_that_was_deferred_is_read_from_the_partition() -> None:
    ship = without_its_name()
    with touched(Ship) as names:
        assert ship.name == "Calypso"
    assert names == {JANUARY}


@pytest.mark.parametrize("origin", [created, loaded, made_in_bulk, pickled])
def test_a_changed_key_moves_the_row_from_the_partition_where_it_was(
    origin: Callable[[], Ship],
) -> None:
    ship = origin()
    if origin is not made_in_bulk:
        ship.sailed_at = at("2020-03-15")
        with touched(Ship) as names:
            ship.save()
        assert names == {JANUARY, MARCH}
    else:
        ship.sailed_at = at("2020-03-15")
        ship.save()
    for use in (ship.refresh_from_db, ship.save, ship.delete):
        with touched(Ship) as names:
            use()
        assert names == {MARCH}


def test_a_key_changed_but_not_saved_is_not_taken_for_the_rows() -> None:
    ship = loaded()
    ship.sailed_at = at("2020-03-15")
    with touched(Ship) as names:
        ship.save(update_fields=["name"])
        ship.refresh_from_db(fields=["name"])
    assert names == {JANUARY}
    assert ship.sailed_at == at("2020-03-15")
    with touched(Ship) as names:
        assert ship.delete() == (1, {"fleet.Ship": 1})
    assert names == {JANUARY}


def test_bulk_update_keeps_the_filters_of_its_queryset() -> None:
    ships = [created(), created()]
    for ship in ships:
        ship.name = "Argo"
    rows = Ship.partitioning.during(at("2020-01-01"), at("2020-02-01"))
    with touched(Ship) as names:
        assert rows.bulk_update(ships, ["name"]) == 2
    assert names == {JANUARY}
    assert {*Ship.objects.values_list("name", flat=True)} == {"Argo"}


def test_a_pickle_of_a_time_without_this_prunes_by_its_attribute() -> None:
    ship = loaded()
    del ship._state.row_key  # type: ignore[attr-defined]
    ship = pickle.loads(pickle.dumps(ship))
    for use in (ship.save, ship.refresh_from_db, ship.delete):
        with touched(Ship) as names:
            use()
        assert names == {JANUARY}


@pytest.mark.parametrize("prunes", [True, False])
def test_a_setting_switches_it_off(prunes: bool, settings: Settings) -> None:
    settings.PG_TIMEPART = {"PRUNE_INSTANCES": prunes}
    ship = loaded()
    for use in (ship.refresh_from_db, ship.save, ship.delete):
        with touched(Ship) as names:
            use()
        assert len(names) == (1 if prunes else 3)


def test_where_the_key_is_not_known_the_whole_table_is_asked() -> None:
    unsaved = Ship(pk=created().pk, sailed_at=at("2020-01-20"))
    with touched(Ship) as names:
        unsaved.save()
    assert len(names) == 3
    deferred = Ship.objects.only("name").get(pk=unsaved.pk)
    with touched(Ship) as names:
        deferred.refresh_from_db(fields=["name"])
    assert len(names) == 3


def test_the_admin_changes_and_deletes_the_row_in_its_partition(
    admin_client_of_ships: Client,
) -> None:
    ship = created()
    for verb, form in (
        ("change", {"name": "Argo", "sailed_at_0": "2020-03-15", "sailed_at_1": "12:00:00"}),
        ("delete", {"post": "yes"}),
    ):
        with CaptureQueriesContext(connection) as captured:
            address = reverse(f"registered:fleet_ship_{verb}", args=[ship.pk])
            assert admin_client_of_ships.post(address, form).status_code == 302
        (written,) = (
            each["sql"]
            for each in captured.captured_queries
            if each["sql"].startswith(('UPDATE "fleet_ship"', 'DELETE FROM "fleet_ship"'))
        )
        if verb == "change":
            assert "2020-01-15" in written.partition("WHERE")[2]
            assert Ship.objects.get().name == "Argo"
    assert not Ship.objects.exists()


def test_a_date_given_as_text_is_the_key(database: Database) -> None:
    attach(database, "fleet_crossing", "first second", "2020-01-01", "2020-01-02", "2020-01-03")
    crossing = Crossing.objects.create(day="2020-01-02")
    for use in (crossing.save, crossing.refresh_from_db, crossing.delete):
        with touched(Crossing) as names:
            use()
        assert names == {"second"}


def test_a_naive_time_is_warned_of_once_as_ever_and_prunes() -> None:
    with pytest.warns(RuntimeWarning, match="received a naive datetime"):
        ship = Ship.objects.create(sailed_at=dt.datetime(2020, 1, 15))  # noqa: DTZ001
    for use in (ship.refresh_from_db, ship.save, ship.delete):
        with touched(Ship) as names:
            use()
        assert names == {JANUARY}


def test_naive_times_prune_without_time_zones(settings: Settings) -> None:
    settings.USE_TZ = False
    ship = Ship.objects.create(sailed_at=dt.datetime(2020, 1, 15, 1, 2, 3, 456789))  # noqa: DTZ001
    ship = Ship.objects.get(pk=ship.pk)
    for use in (ship.save, ship.refresh_from_db, ship.delete):
        with touched(Ship) as names:
            use()
        assert names == {JANUARY}


def test_auto_now_prunes_by_the_key_as_it_was(database: Database) -> None:
    raft: Any = database.build(at=models.DateTimeField(auto_now=True))
    now = timezone.now()
    past, today = (f"{now + dt.timedelta(days=days):%Y-%m-%d}" for days in (-1000, -1))
    bounds = ("1900-01-01", past, today, "9999-01-01")
    attach(database, "fleet_raft", "raft_old raft_past raft_new", *bounds)
    row = raft.objects.create()
    raft.objects.update(at=now - dt.timedelta(days=30))
    row = raft.objects.get()
    with touched(raft) as names:
        row.save()
    assert names == {"raft_past", "raft_new"}
    with touched(raft) as names:
        row.save()
        row.delete()
    assert names == {"raft_new"}


def test_the_servers_clock_as_key_is_known_once_it_is_read(database: Database) -> None:
    raft: Any = database.build(at=models.DateTimeField(db_default=Now()))
    attach(database, "fleet_raft", "raft_old raft_new", "1900-01-01", "2020-01-01", "9999-01-01")
    row = raft.objects.create()
    with touched(raft) as names:
        row.save()
    assert names == {"raft_new"}
    row.at = Now()
    row.save()
    row.save()
    row.refresh_from_db()
    assert isinstance(row.at, dt.datetime)
    with touched(raft) as names:
        row.delete()
    assert names == {"raft_new"}


class WholeSeconds(models.DateTimeField):  # type: ignore[type-arg]  # no class takes any at run time
    def db_type(self, connection: Any) -> str:
        return "timestamptz(0)"


class InWords(models.DateTimeField):  # type: ignore[type-arg]  # no class takes any at run time
    """Reads what it cannot write again."""

    def from_db_value(self, value: Any, *_: Any) -> Any:
        return None if value is None else f"in the year {value.year}"

    def get_prep_value(self, value: Any) -> Any:
        return None if isinstance(value, str) else super().get_prep_value(value)


@pytest.mark.parametrize("field", [WholeSeconds(), InWords()])
def test_a_field_that_changes_what_it_stores_is_right_by_the_whole_table(
    database: Database, field: Any
) -> None:
    raft: Any = database.build(at=field, name=models.CharField(max_length=9, default="a"))
    database.execute("CREATE TABLE raft_all PARTITION OF fleet_raft DEFAULT")
    row = raft.objects.create(at=at("2020-01-15T12:00:00.7"))
    row.name = "b"
    row.save(update_fields=["name"])
    assert raft.objects.get().name == "b"
    row.refresh_from_db()
    row.name = "c"
    row.save(update_fields=["name"])
    row.refresh_from_db()
    assert row.name == raft.objects.get().name == "c"
    assert row.delete()[0] == 1
    assert not raft.objects.exists()
