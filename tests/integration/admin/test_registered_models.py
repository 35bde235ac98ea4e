"""Partitioned models in the admin: a widened key is the declared one to Django."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, override_settings
from django.urls import reverse

from tests.apps.fleet.models import Ship
from tests.apps.shop.models import Invoice
from tests.support.admin_client import no_users_left
from tests.support.database import Database, at


@pytest.fixture
def client(database: Database) -> Iterator[Client]:
    client = Client()
    with no_users_left(), override_settings(ROOT_URLCONF="tests.support.registered_admin"):
        database.cover(Ship, "2020-01-01", "2020-02-01", "2020-03-01")
        client.force_login(User.objects.create_superuser("root"))
        yield client


def url(verb: str, *args: object) -> str:
    return reverse(f"registered:fleet_ship_{verb}", args=args)


def form(name: str, day: str) -> dict[str, str]:
    return {"name": name, "sailed_at_0": day, "sailed_at_1": "12:00:00"}


def test_the_key_is_the_declared_one_though_the_table_has_a_wider(database: Database) -> None:
    columns = database.one(
        "SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_index i JOIN pg_attribute a"
        " ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)"
        " WHERE i.indrelid = 'fleet_ship'::regclass AND i.indisprimary"
    )
    assert columns == ["id", "sailed_at"]
    assert Ship._meta.pk.name == "id"


def test_rows_are_added_listed_changed_and_deleted(client: Client) -> None:
    assert client.post(url("add"), form("Argo", "2020-01-15")).status_code == 302
    ship = Ship.objects.get()
    assert "Argo" in client.get(url("changelist")).content.decode()
    assert client.get(url("change", ship.pk)).status_code == 200
    assert client.post(url("change", ship.pk), form("Nautilus", "2020-01-16")).status_code == 302
    ship.refresh_from_db()
    assert (ship.name, ship.sailed_at) == ("Nautilus", at("2020-01-16T12:00"))
    assert client.post(url("delete", ship.pk), {"post": "yes"}).status_code == 302
    assert not Ship.objects.exists()


def test_a_row_moves_to_the_partition_of_its_new_time(client: Client, database: Database) -> None:
    client.post(url("add"), form("Argo", "2020-01-15"))
    ship = Ship.objects.get()
    client.post(url("change", ship.pk), form("Argo", "2020-02-15"))
    found = database.query("SELECT id FROM fleet_ship_20200201_20200301")
    assert found == [ship.pk]


def test_rows_are_deleted_in_bulk(client: Client) -> None:
    Ship.objects.bulk_create(Ship(sailed_at=at(f"2020-0{month}-15")) for month in (1, 2))
    chosen = list(Ship.objects.values_list("pk", flat=True))
    data = {"action": "delete_selected", "_selected_action": chosen, "post": "yes"}
    assert client.post(url("changelist"), data).status_code == 302
    assert not Ship.objects.exists()


def test_django_refuses_composite_primary_keys() -> None:
    with pytest.raises(ImproperlyConfigured, match="composite primary key"):
        AdminSite(name="refusing").register(Invoice)
