"""The list of configs: what it shows, by which filters, and in how many queries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from pg_timepart.maintenance.maintain import maintain
from pg_timepart.models import PartitionConfig
from tests.apps.fleet.models import Cargo, Crossing, Mooring, Ship
from tests.support.admin_client import CONFIGS, PREFIX, no_users_left, orphans, signed_in
from tests.support.database import Database


@pytest.fixture
def client(database: Database) -> Iterator[Client]:
    with no_users_left():
        yield signed_in("view_partitionconfig")
    PartitionConfig.objects.filter(model_label__startswith=PREFIX).delete()


def listed(client: Client, **parameters: str) -> str:
    response = client.get(reverse(CONFIGS), parameters)
    assert response.status_code == 200
    return response.content.decode()


def labels(client: Client, **parameters: str) -> set[str]:
    response = client.get(reverse(CONFIGS), parameters)
    return {each.model_label for each in response.context["cl"].result_list}


def test_a_config_shows_how_its_table_is_doing(database: Database, client: Client) -> None:
    database.configure(Ship, period="Month", premake=2, interval=6, drop_after=timedelta(days=30))
    old, _ = database.cover(Ship, "2020-01-01", "2020-02-01", "2020-03-01")
    old.detach()
    maintain("fleet.ship")
    page = listed(client, q="fleet.ship")
    assert "fleet.ship" in page
    counts = f"{len(database.children(Ship))} / 2"
    for words in ("1 month", "6 months attached, dropped 30 d after", counts, "every "):
        assert words in page
    assert '<span class="timepart-badge timepart-ok" title="">ok</span>' in page
    assert '<span class="timepart-badge timepart-done">done</span>' in page


def test_a_table_without_room_is_critical_and_says_why(database: Database, client: Client) -> None:
    database.configure(Ship)
    database.cover(Ship, "2020-01-01", "2020-02-01")
    page = listed(client, q="fleet.ship")
    assert "timepart-badge timepart-critical" in page
    assert "No partition covers now" in page


def test_a_config_without_a_model_shows_its_problem(client: Client) -> None:
    orphans(1)
    page = listed(client, q=PREFIX)
    assert "No partitioned model uninstalled.model000 is installed" in page


def test_filters_find_configs_by_health_period_and_database(
    database: Database, client: Client
) -> None:
    database.configure(Ship, period="Day")
    database.configure(Cargo, period="Month")
    maintain("fleet.ship")
    orphans(1)
    assert "fleet.ship" in labels(client, health="ok")
    assert "fleet.cargo" in labels(client, health="critical")
    assert "fleet.ship" not in labels(client, health="critical")
    assert labels(client, health="warning") >= {"uninstalled.model000"}
    assert "fleet.ship" in labels(client, period="Day")
    assert "fleet.cargo" not in labels(client, period="Day")
    assert labels(client, database="default") >= {"fleet.ship", "fleet.cargo"}
    assert not labels(client, database="default") & {"uninstalled.model000"}
    assert labels(client, database="other").isdisjoint({"fleet.ship", "fleet.cargo"})


def test_a_filter_of_no_known_value_filters_nothing(database: Database, client: Client) -> None:
    database.configure(Ship)
    assert "fleet.ship" in labels(client, health="<script>")


def test_the_number_of_queries_does_not_grow(database: Database, client: Client) -> None:
    for model in (Ship, Crossing, Cargo, Mooring):
        database.configure(model)
        database.cover(model, "2020-01-01", "2020-02-01")
    orphans(1)
    count = PartitionConfig.objects.count()
    with CaptureQueriesContext(connection) as few:
        listed(client)
    orphans(500)
    database.cover(Ship, *(f"2019-01-{day:02}" for day in range(1, 29)))
    with CaptureQueriesContext(connection) as many:
        found = client.get(reverse(CONFIGS)).context["cl"]
    assert found.result_count == count + 499
    assert len(found.result_list) == 100
    assert len(many) == len(few) < 30


def test_the_newest_and_the_oldest_are_those_that_are_attached(
    database: Database, client: Client
) -> None:
    database.configure(Ship, period="Year")
    first, *_ = database.cover(Ship, "2001-01-01", "2002-01-01", "2003-01-01", "2090-01-01")
    first.detach()
    page = listed(client, q="fleet.ship")
    assert 'field-newest">2090-01-01<' in page
    assert 'field-oldest">2002-01-01<' in page


def test_the_actions_are_offered_to_who_may_take_them(database: Database, client: Client) -> None:
    database.configure(Ship)
    assert '<option value="maintain">' not in listed(client)
    operator = signed_in("change_partitionconfig", "operate_partitionconfig")
    page = listed(operator)
    assert '<option value="maintain">Run a pass now</option>' in page
    assert '<option value="reconcile">' in page
    assert "delete_selected" not in page


def test_who_may_not_see_configs_sees_none(client: Client) -> None:
    response = signed_in().get(reverse(CONFIGS))
    assert response.status_code == 403
