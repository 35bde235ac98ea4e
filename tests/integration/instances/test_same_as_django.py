"""What Django does with an instance it does as well where instances prune, whatever happened."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, models, transaction
from django.db.models import signals
from django.test.utils import CaptureQueriesContext, isolate_apps
from django.utils import timezone

from tests.apps.fleet.models import Ship
from tests.apps.shop.models import Event, Tag
from tests.support.database import Database, at
from tests.support.touched_partitions import attach, touched

if TYPE_CHECKING:
    from pytest_django import Settings

BOUNDS = ("2020-01-01", "2020-02-01", "2020-03-01", "2020-04-01")


@pytest.fixture(params=[True, False], ids=["pruned", "plain"])
def prunes(request: pytest.FixtureRequest, settings: Settings) -> bool:
    settings.PG_TIMEPART = {"PRUNE_INSTANCES": request.param}
    return bool(request.param)


@pytest.fixture
def ship(database: Database, prunes: bool) -> Ship:
    attach(database, "fleet_ship", "january february march", *BOUNDS)
    return Ship.objects.create(sailed_at=at("2020-01-15"), name="Argo")


@pytest.fixture
def elsewhere(database: Database) -> Iterator[Callable[..., None]]:
    """Another session, which commits what it is given."""
    other = connection.copy()

    def execute(statement: str, *values: Any) -> None:
        with other.cursor() as cursor:
            cursor.execute(statement, values)

    yield execute
    other.close()


def rows() -> list[tuple[Any, ...]]:
    return sorted(Ship.objects.values_list("pk", "sailed_at", "name"))


MOVE = "UPDATE fleet_ship SET sailed_at = %s, name = 'moved' WHERE id = %s"


def test_a_row_that_somebody_moved_is_found(ship: Ship, elsewhere: Callable[..., None]) -> None:
    elsewhere(MOVE, at("2020-03-15"), ship.pk)
    ship.refresh_from_db()
    assert (ship.sailed_at, ship.name) == (at("2020-03-15"), "moved")
    elsewhere(MOVE, at("2020-02-15"), ship.pk)
    ship.name = "Nautilus"
    ship.save(update_fields=["name"])
    assert rows() == [(ship.pk, at("2020-02-15"), "Nautilus")]
    ship.save(force_update=True)
    assert rows() == [(ship.pk, at("2020-03-15"), "Nautilus")]
    elsewhere(MOVE, at("2020-01-15"), ship.pk)
    assert ship.delete() == (1, {"fleet.Ship": 1})
    assert rows() == []


def test_a_row_that_is_gone_is_gone(ship: Ship, elsewhere: Callable[..., None]) -> None:
    elsewhere("DELETE FROM fleet_ship")
    with pytest.raises(Ship.DoesNotExist, match="Ship matching query does not exist") as raised:
        ship.refresh_from_db()
    assert raised.value.__context__ is None
    with pytest.raises(DatabaseError, match="Save with update_fields did not affect any rows"):
        ship.save(update_fields=["name"])
    with pytest.raises(DatabaseError, match="Forced update did not affect any rows"):
        ship.save(force_update=True)
    first = ship.pk
    assert ship.delete() == (0, {"fleet.Ship": 0})
    ship.pk = first
    ship.save()
    assert rows() == [(first, at("2020-01-15"), "Argo")]
    assert ship.delete() == (1, {"fleet.Ship": 1})
    with pytest.raises(ValueError, match="its id attribute is set to None"):
        ship.delete()


def test_what_was_rolled_back_is_not_believed(ship: Ship) -> None:
    with transaction.atomic():
        ship.sailed_at = at("2020-03-15")
        ship.save()
        transaction.set_rollback(True)
    assert rows() == [(ship.pk, at("2020-01-15"), "Argo")]
    ship.name = "Nautilus"
    ship.save()
    assert rows() == [(ship.pk, at("2020-03-15"), "Nautilus")]


def test_a_new_primary_key_makes_another_row(ship: Ship) -> None:
    first, ship.pk = ship.pk, None
    ship.save()
    assert [each[0] for each in rows()] == [first, ship.pk]
    second, ship.pk = ship.pk, first
    ship.name = "Nautilus"
    ship.save()
    assert rows() == [(first, at("2020-01-15"), "Nautilus"), (second, at("2020-01-15"), "Argo")]


def test_a_key_that_is_taken_is_refused(ship: Ship) -> None:
    Ship(pk=ship.pk, sailed_at=at("2020-03-15")).save(force_insert=True)
    ship.sailed_at = at("2020-03-15")
    with pytest.raises(IntegrityError, match="duplicate key"):
        ship.save()


def test_of_an_id_that_is_there_twice_an_instance_touches_its_own(ship: Ship, prunes: bool) -> None:
    """The one difference that is meant: Django's statement hits both."""
    twin = Ship(pk=ship.pk, sailed_at=at("2020-03-15"), name="twin")
    twin.save(force_insert=True)
    ship.name = "Nautilus"
    ship.save(update_fields=["name"])
    assert [name for *_, name in rows()] == ["Nautilus", "twin" if prunes else "Nautilus"]
    ship.sailed_at = at("2020-03-16")
    if prunes:
        ship.refresh_from_db()
        assert ship.sailed_at == at("2020-01-15")
        ship.sailed_at = at("2020-03-16")
        ship.save()
        assert [key for _, key, _ in rows()] == [at("2020-03-15"), at("2020-03-16")]
        assert ship.delete()[0] == 1
        assert rows() == [(twin.pk, at("2020-03-15"), "twin")]
    else:
        assert ship.delete()[0] == 2


@pytest.mark.parametrize("forced", [False, True])
def test_select_on_save(ship: Ship, elsewhere: Callable[..., None], forced: bool) -> None:
    Ship._meta.select_on_save = True
    try:
        elsewhere(MOVE, at("2020-03-15"), ship.pk)
        ship.save(force_update=forced)
    finally:
        Ship._meta.select_on_save = False
    assert rows() == [(ship.pk, at("2020-01-15"), "Argo")]


def test_expressions_are_evaluated_once(ship: Ship, elsewhere: Callable[..., None]) -> None:
    elsewhere(MOVE, at("2020-03-15"), ship.pk)
    ship.sailed_at = models.F("sailed_at") - dt.timedelta(days=1)
    ship.save()
    assert rows() == [(ship.pk, at("2020-03-14"), "Argo")]
    ship = Ship.objects.get()
    ship.sailed_at = models.F("sailed_at") - dt.timedelta(days=1)
    ship.save(update_fields=["sailed_at"])
    assert rows() == [(ship.pk, at("2020-03-13"), "Argo")]
    assert ship.delete()[0] == 1


def test_a_proxy_prunes_as_its_model_does(ship: Ship, prunes: bool) -> None:
    with isolate_apps("tests.apps.fleet"):
        meta = type("Meta", (), {"proxy": True, "app_label": "fleet"})
        proxy: Any = type("Barque", (Ship,), {"__module__": __name__, "Meta": meta})
    old = proxy.objects.get()
    for use in (old.save, old.refresh_from_db, old.delete):
        with touched(Ship) as names:
            use()
        assert len(names) == (1 if prunes else 3)
    assert rows() == []


@pytest.fixture
def tagged(committing: None, prunes: bool) -> tuple[Event, Event]:
    """Two events, and what hangs on them."""
    first, second = (Event.objects.create(kind=kind) for kind in ("first", "second"))
    first.tags.set([Tag.objects.create(name="a"), Tag.objects.create(name="b")])
    return first, second


def traced(sent: list[Any]) -> Callable[..., None]:
    def receive(sender: Any, instance: Any, signal: Any, **_: Any) -> None:
        kind = next(name for name in SIGNALS if getattr(signals, name) is signal)
        sent.append((kind, sender._meta.label, instance.pk is None, connection.in_atomic_block))

    return receive


SIGNALS = ("pre_save", "post_save", "pre_delete", "post_delete")


def test_signals_cascades_and_transactions_are_djangos(tagged: tuple[Event, Event]) -> None:
    first, second = tagged
    sent: list[Any] = []
    receive = traced(sent)

    def delete_the_other(instance: Event, **_: Any) -> None:
        if instance.kind == "first":
            second.delete()

    for name in SIGNALS:
        getattr(signals, name).connect(receive)
    signals.pre_delete.connect(delete_the_other, sender=Event)
    try:
        first.save()
        with CaptureQueriesContext(connection) as captured:
            result = first.delete()
    finally:
        for name in SIGNALS:
            getattr(signals, name).disconnect(receive)
        signals.pre_delete.disconnect(delete_the_other, sender=Event)
    assert result == (3, {"shop.Event": 1, "shop.Event_tags": 2})
    kinds = ("pre_save", "post_save", "pre_delete", "pre_delete", "post_delete", "post_delete")
    assert [kind for kind, *_ in sent] == [*kinds]
    assert {each[1:] for each in sent[:2]} == {("shop.Event", False, False)}
    assert {each[1:] for each in sent[2:]} == {("shop.Event", False, True)}
    words = [each["sql"].split()[0] for each in captured.captured_queries]
    assert words == ["SELECT", "BEGIN", "SELECT", *["DELETE"] * 3, "COMMIT"]
    assert not Event.objects.exists()


def test_what_was_prefetched_is_forgotten_though_the_row_was_moved(
    tagged: tuple[Event, Event],
) -> None:
    event = Event.objects.prefetch_related("tags").get(kind="first")
    later = timezone.now() + dt.timedelta(days=2)
    Event.objects.filter(pk=event.pk).update(timestamp=later, kind="moved")
    tagged[0].tags.clear()
    event.refresh_from_db(fields=["tags", "kind"])
    assert (event.kind, event.tags.count(), len(event.tags.all())) == ("moved", 0, 0)
