"""Django's documented primary/replica router: what it reads elsewhere decides nothing of ours.

The replica is the other database: one that lags for ever, for none of our rows arrives there.
https://docs.djangoproject.com/en/stable/topics/db/multi-db/#using-routers
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import PeriodicTask
from pytest_django import DjangoDbBlocker

from pg_timepart import tasks
from pg_timepart.beat import schedules
from pg_timepart.maintenance.maintain import maintain, maintain_all
from pg_timepart.maintenance.reconcile import reconcile
from pg_timepart.models import PartitionConfig, PartitionLog, PartitionRun
from pg_timepart.status import status_of
from tests.apps.fleet.models import Ship
from tests.support.admin_client import no_users_left, page_of, signed_in
from tests.support.database import Database, at

MAY = at("2024-05-15 10:30")
OURS = (PartitionConfig, PartitionLog, PartitionRun)
TO_DEFAULT = {"admin", "auth", "contenttypes", "sessions"}
"""What a person who signs in needs, and what is no matter of ours."""


class PrimaryReplicaRouter:
    """As Django's documentation has it."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "default" if model._meta.app_label in TO_DEFAULT else "other"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "default"

    def allow_relation(self, obj1: Any, obj2: Any, **hints: Any) -> bool:
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return True


@pytest.fixture
def there(
    database: Database, settings: Any, django_db_blocker: DjangoDbBlocker
) -> Iterator[Database]:
    """The replica, which takes no writes and gets no rows."""
    with django_db_blocker.unblock():
        replica = Database("other")
        replica.empty()
        replica.execute("SET default_transaction_read_only = on")
        settings.DATABASE_ROUTERS = [f"{__name__}.PrimaryReplicaRouter"]
        yield replica
        settings.DATABASE_ROUTERS = []
        replica.connection.close()


@pytest.fixture
def config(database: Database, there: Database) -> PartitionConfig:
    return database.configure(Ship, interval=2)


def test_what_is_past_retention_is_retired_dropped_and_recorded(
    database: Database, config: PartitionConfig
) -> None:
    database.configure(Ship, drop_after=dt.timedelta(0))
    database.cover(Ship, "2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01")
    assert maintain("fleet.ship", now=MAY).outcome == "done"
    assert database.ranges(Ship)[0][0] == "2024-03-01"
    assert not config.logs.filter(start=at("2024-01-01"), is_attached=True).exists()
    maintain("fleet.ship", now=at("2024-05-16"))
    assert not database.exists("fleet_ship_20240101_20240201")
    assert config.runs.filter(outcome="done").count() >= 2
    assert maintain("fleet.ship", now=at("2024-05-16")).outcome == "unchanged"


def test_a_pin_holds(database: Database, config: PartitionConfig) -> None:
    database.cover(Ship, "2024-01-01", "2024-02-01")
    config.logs.update(detach_time=at("2999-01-01"))
    maintain("fleet.ship", now=MAY)
    assert database.ranges(Ship)[0][0] == "2024-01-01"
    assert database.log(Ship, "2024-01-01").is_attached


def test_the_whole_life_of_a_partition_by_its_row(
    database: Database, config: PartitionConfig
) -> None:
    Ship.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
    log = Ship.partitioning.latest
    assert log is not None
    assert log.config.interval == 2
    log.detach()
    log.refresh_from_db()
    assert [each.is_attached for each in database.logs(Ship)] == [False]
    log.attach(at("2999-01-01"))
    assert log.detach_time == at("2999-01-01")
    log.set_tablespace("pg_default")
    log.truncate()
    log.detach()
    log.delete()
    assert Ship.partitioning.latest is None
    assert not database.exists("fleet_ship_20240101_20240201")


def test_status_tasks_and_reconcile_go_by_the_rows_that_were_written(
    database: Database, config: PartitionConfig
) -> None:
    assert maintain("fleet.ship").outcome == "done"
    newest = database.logs(Ship)[-1]
    tasks.detach_partitions("fleet.ship", [newest.table_name])
    assert status_of(Ship).interval == 2
    assert status_of(Ship).detached_count == 1
    assert reconcile("fleet.ship").outcome == "unchanged"
    assert {each.label: each.outcome for each in maintain_all()}["fleet.ship"] != "failed"


def test_schedules_follow_the_configs_that_were_written(
    database: Database, config: PartitionConfig
) -> None:
    entry = schedules.entry_of(config)
    assert entry is not None
    assert json.loads(entry.args) == ["fleet.ship"]
    before = PeriodicTask.objects.using("default").count()
    assert schedules.sync_all() == []
    database.configure(Ship, period="Hour")
    entry.refresh_from_db(using="default")
    assert entry.interval_id is not None
    assert PeriodicTask.objects.using("default").count() == before
    config.delete()
    assert not PeriodicTask.objects.using("default").filter(pk=entry.pk).exists()


def test_the_admin_shows_and_saves_what_was_written(
    database: Database, config: PartitionConfig
) -> None:
    maintain("fleet.ship")
    with no_users_left():
        client: Client = signed_in("change_partitionconfig", "view_partitionrun")
        listed = client.get(reverse("admin:pg_timepart_partitionconfig_changelist"))
        assert "fleet.ship" in listed.text
        page = client.get(page_of(config))
        assert 'name="premake" value="2"' in page.text
        form = {
            "period": "Month",
            "periods_per_partition": 1,
            "premake": 3,
            "interval": 2,
            "max_retire_per_pass": 31,
            "enabled": "on",
            "_confirmed": 1,
        }
        assert client.post(page_of(config), form).status_code == 302
        assert database.configure(Ship).premake == 3
        runs = client.get(reverse("admin:pg_timepart_partitionrun_changelist"))
        assert "provision" in runs.text or "maintain" in runs.text


def test_an_alias_of_the_same_database_that_may_write_does_not_wait_for_us(
    database: Database, settings: Any
) -> None:
    """Django's tests call it a mirror: a second connection that our own transactions would stop."""
    mirror = connections["other"]
    mirror.close()
    name = mirror.settings_dict["NAME"]
    mirror.settings_dict["NAME"] = database.connection.settings_dict["NAME"]
    settings.DATABASE_ROUTERS = [f"{__name__}.PrimaryReplicaRouter"]
    try:
        Database("other").execute("SET lock_timeout = '2s'")
        config = database.configure(Ship, interval=2)
        database.cover(Ship, "2024-01-01", "2024-02-01")
        assert maintain("fleet.ship", now=MAY).outcome == "done"
        database.execute("ALTER TABLE fleet_ship DETACH PARTITION fleet_ship_20240501_20240601")
        assert reconcile("fleet.ship").outcome == "done"
        mirrored = PartitionLog.objects.using("other").get(start=at("2024-01-01"))
        mirrored.attach(at("2999-01-01"))
        assert database.log(Ship, "2024-01-01").is_attached
        PartitionConfig.objects.using("other").get(pk=config.pk).save()
    finally:
        settings.DATABASE_ROUTERS = []
        mirror.close()
        mirror.settings_dict["NAME"] = name
