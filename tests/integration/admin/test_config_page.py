"""The page of one config: what it shows, and what a change of its settings would do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from pg_timepart.maintenance.maintain import maintain
from pg_timepart.models import PartitionConfig, PartitionLog
from tests.apps.fleet.models import Crossing, Ship
from tests.support.admin_client import PREFIX, no_users_left, orphans, page_of, signed_in
from tests.support.database import Database, Tablespaces


@pytest.fixture
def client(database: Database) -> Iterator[Client]:
    with no_users_left():
        yield signed_in("change_partitionconfig", "drop_partitionconfig", "view_partitionrun")
    PartitionConfig.objects.filter(model_label__startswith=PREFIX).delete()


def shown(client: Client, config: PartitionConfig, **parameters: str) -> str:
    response = client.get(page_of(config), parameters)
    assert response.status_code == 200
    return response.content.decode()


def settings(config: PartitionConfig, **changes: Any) -> dict[str, Any]:
    """Return what the form of a config sends."""
    facts = {
        "enabled": "on" if config.enabled else "",
        "period": config.period,
        "periods_per_partition": config.periods_per_partition,
        "premake": config.premake,
        "interval": config.interval or "",
        "max_retire_per_pass": config.max_retire_per_pass,
        "attach_tablespace": config.attach_tablespace,
        "detach_tablespace": config.detach_tablespace,
        "drop_after": config.drop_after or "",
    }
    return facts | changes


def test_the_page_draws_the_partitions_and_lists_them(database: Database, client: Client) -> None:
    config = database.configure(Ship, period="Month", interval=2)
    first, second, third = database.cover(
        Ship, "2020-01-01", "2020-02-01", "2020-03-01", "2020-04-01"
    )
    second.detach()
    page = shown(client, config)
    for each in (first, second, third):
        assert f"<td>{each.table_name}</td>" in page
        assert f"<title>{each.table_name} (" in page
    assert page.count('data-state="attached"') == 2
    assert page.count('data-state="detached"') == 1
    assert 'fill="url(#timepart-detached)"' in page
    assert 'fill="url(#timepart-planned)"' in page
    assert 'data-trouble="gap"' in page
    assert ">retention<" in page
    assert ">now<" in page


def test_the_page_shows_the_sql_of_the_next_pass(database: Database, client: Client) -> None:
    config = database.configure(Ship, period="Month", interval=2)
    database.cover(Ship, "2020-01-01", "2020-02-01")
    page = shown(client, config)
    assert "detach fleet_ship_20200101_20200201 (2020-01-01 .. 2020-02-01): past retention" in page
    assert "DETACH PARTITION" in page
    assert database.ranges(Ship) == [("2020-01-01", "2020-02-01")]


def test_a_table_with_nothing_to_do_says_so(database: Database, client: Client) -> None:
    config = database.configure(Ship)
    maintain("fleet.ship")
    page = shown(client, config)
    assert "Nothing to do." in page
    assert "All runs" in page


def test_many_partitions_are_listed_a_page_at_a_time(database: Database, client: Client) -> None:
    config = database.configure(Ship, period="Day")
    database.cover(Ship, "2020-01-01", "2020-06-01")
    assert shown(client, config).count('<tr data-state="') == 100
    assert shown(client, config, partitions="2").count('<tr data-state="') == 52


def test_many_partitions_are_drawn_whole_or_near_now(database: Database, client: Client) -> None:
    config = database.configure(Ship, period="Day")
    database.cover(Ship, "2020-01-01", "2020-06-01")
    page = shown(client, config)
    assert '<a href="?view=near">Near now</a>' in page
    assert "partitions (attached) 2020-01-01 .." in page
    page = shown(client, config, view="near")
    assert '<a href="?">All partitions</a>' in page
    assert "(attached) 2020-01-01 .." not in page
    assert ".. 2020-06-01" in page


def test_a_config_without_a_model_has_a_page_and_can_be_deleted(database: Database) -> None:
    orphans(1)
    orphan = PartitionConfig.objects.get(model_label=f"{PREFIX}model000")
    ship = database.configure(Ship)
    with no_users_left():
        client = signed_in("change_partitionconfig", "delete_partitionconfig")
        assert "is installed, so nothing maintains its table" in shown(client, orphan)
        refused = client.post(page_of(ship).replace("change", "delete"), {"post": "yes"})
        assert refused.status_code == 403
        client.post(page_of(orphan).replace("change", "delete"), {"post": "yes"})
    assert list(PartitionConfig.objects.filter(pk__in=(orphan.pk, ship.pk))) == [ship]


def test_a_table_that_is_not_there_is_told_on_its_page(database: Database, client: Client) -> None:
    config = database.configure(Ship)
    database.execute("ALTER TABLE fleet_ship RENAME TO fleet_ship_lost")
    try:
        page = shown(client, config)
        form = settings(config, interval=3) | {"_confirmed": "1"}
        assert client.post(page_of(config), form).status_code == 302
    finally:
        database.execute("ALTER TABLE fleet_ship_lost RENAME TO fleet_ship")
    assert page.count("The table fleet_ship of fleet.Ship does not exist") == 2
    assert "timepart-badge timepart-critical" in page
    assert 'id="timepart-timeline-heading"' not in page


def test_a_pending_detach_is_crossed_and_finished_by_the_next_pass(
    database: Database, client: Client
) -> None:
    config = database.configure(Ship)
    (log,) = database.cover(Ship, "2020-01-01", "2020-02-01")
    database.execute("SET allow_system_table_mods = on")
    database.execute(
        "UPDATE pg_inherits SET inhdetachpending = true WHERE inhrelid = %s", log.relid
    )
    page = shown(client, config)
    assert 'fill="url(#timepart-pending)"' in page
    assert "FINALIZE" in page
    maintain("fleet.ship")
    assert 'data-state="pending"' not in shown(client, config)


def test_a_default_partition_is_listed(database: Database, client: Client) -> None:
    config = database.configure(Ship)
    database.execute("CREATE TABLE fleet_ship_rest PARTITION OF fleet_ship DEFAULT")
    page = shown(client, config)
    assert "<td>fleet_ship_rest</td><td>everything else</td><td>default</td>" in page


def test_names_from_the_database_are_escaped(database: Database, client: Client) -> None:
    bad = "<img src=x onerror=alert(1)>"
    database.cover(Ship, "2020-01-01", "2020-02-01")
    database.execute(f'ALTER TABLE fleet_ship_20200101_20200201 RENAME TO "{bad}"')
    config = database.configure(Ship, last_outcome="failed", last_message=bad)
    page = shown(client, config)
    assert bad not in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") > 3


def test_a_change_of_retention_is_shown_before_it_is_saved(
    database: Database, client: Client
) -> None:
    config = database.configure(Ship, period="Month")
    database.cover(Ship, "2020-01-01", "2020-02-01")
    form = settings(config, interval=3)
    response = client.post(page_of(config), form)
    page = response.content.decode()
    assert "Nothing is saved yet." in page
    assert "<td>interval</td><td>(empty)</td><td>3</td>" in page
    assert "detach fleet_ship_20200101_20200201" in page
    config.refresh_from_db()
    assert (config.interval,) == (None,)

    hidden = dict(response.context["hidden"])
    assert client.post(page_of(config), {**hidden, "_confirmed": "1"}).status_code == 302
    config.refresh_from_db()
    assert config.interval == 3
    assert database.ranges(Ship) == [("2020-01-01", "2020-02-01")]


def test_a_retention_beyond_the_fuse_is_told_before_it_is_saved(
    database: Database, client: Client
) -> None:
    config = database.configure(Ship, period="Day", max_retire_per_pass=2)
    database.cover(Ship, "2020-01-01", "2020-01-09")
    page = client.post(page_of(config), settings(config, interval=3)).content.decode()
    assert "8 partitions are past retention, more than the 2" in page


def test_what_needs_no_look_ahead_is_saved_at_once(database: Database, client: Client) -> None:
    config = database.configure(Ship)
    PartitionConfig.objects.filter(pk=config.pk).update(last_message="kept")
    response = client.post(page_of(config), settings(config, enabled=""))
    assert response.status_code == 302
    config.refresh_from_db()
    assert (config.enabled, config.last_message) == (False, "kept")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"interval": 0}, "greater than or equal to 1"),
        ({"premake": 100_000}, "less than or equal to 1000"),
        ({"detach_tablespace": "nowhere"}, "nowhere is not one of the available choices"),
        ({"period": "Fortnight"}, "Fortnight is not one of the available choices"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(
    database: Database, client: Client, changes: dict[str, Any], words: str
) -> None:
    config = database.configure(Ship)
    response = client.post(page_of(config), settings(config, **changes) | {"_confirmed": "1"})
    assert response.status_code == 200
    assert words in response.content.decode()


def test_hours_of_a_date_are_refused(database: Database, client: Client) -> None:
    config = database.configure(Crossing, period="Day")
    form = settings(config, period="Hour") | {"_confirmed": "1"}
    response = client.post(page_of(config), form)
    assert response.context["errors"]
    config.refresh_from_db()
    assert config.period == "Day"


def test_tablespaces_are_those_that_exist(
    database: Database, client: Client, tablespaces: Tablespaces
) -> None:
    config = database.configure(Ship)
    form = settings(config, detach_tablespace=tablespaces.odd) | {"_confirmed": "1"}
    assert client.post(page_of(config), form).status_code == 302
    config.refresh_from_db()
    assert config.detach_tablespace == tablespaces.odd


def test_who_may_not_drop_does_not_set_when_passes_drop(database: Database) -> None:
    config = database.configure(Ship)
    with no_users_left():
        client = signed_in("change_partitionconfig")
        form = settings(config, drop_after="0", premake=3) | {"_confirmed": "1"}
        assert client.post(page_of(config), form).status_code == 302
    config.refresh_from_db()
    assert (config.drop_after, config.premake) == (None, 3)


def test_who_may_only_see_changes_nothing(database: Database) -> None:
    config = database.configure(Ship, drop_after=timedelta(days=3))
    with no_users_left():
        client = signed_in("view_partitionconfig")
        assert 'name="interval"' not in shown(client, config)
        for extra in ({}, {"_confirmed": "1"}):
            assert client.post(page_of(config), settings(config) | extra).status_code == 403
        assert signed_in().get(page_of(config)).status_code == 403
    assert PartitionLog.objects.filter(config=config).count() == 0
