"""Fixtures of the tests with hostile names and values: tables whose rows nothing may change."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from django_celery_beat.models import CrontabSchedule

from pg_timepart.maintenance.reconcile import reconcile
from pg_timepart.models import PartitionConfig
from tests.apps.fleet.models import Ship
from tests.hostile.markup_names import MARKUP, OFF_MARKUP
from tests.hostile.quoting_check import identifier, nothing_breaks_out
from tests.support.admin_client import no_users_left, signed_in
from tests.support.database import Database, at
from tests.support.tablespaces import tablespaces_named


@pytest.fixture
def two_partitions(database: Database) -> Iterator[None]:
    """Ships with an attached and a detached partition, a row in each."""
    logs = database.cover(Ship, "2001-01-01", "2001-02-01", "2001-03-01")
    for start in ("2001-01-01", "2001-02-01"):
        Ship.objects.create(sailed_at=at(start))
    logs[1].detach()
    with nothing_breaks_out(database):
        yield


@pytest.fixture
def config(database: Database) -> Iterator[PartitionConfig]:
    """Ships with an attached and a detached partition and a tablespace of names that are markup."""
    found = database.configure(Ship, period="Month", premake=1, interval=12)
    for name, month in ((MARKUP, 1), (OFF_MARKUP, 2)):
        database.execute(
            f"CREATE TABLE {identifier(name)} PARTITION OF fleet_ship"
            f" FOR VALUES FROM ('2001-0{month}-01 00:00+00') TO ('2001-0{month + 1}-01 00:00+00')"
        )
    reconcile("fleet.ship")
    database.log(Ship, "2001-02-01").detach()
    with no_users_left(), tablespaces_named(MARKUP), nothing_breaks_out(database):
        yield found
    CrontabSchedule.objects.all().delete()


@pytest.fixture
def client(config: PartitionConfig) -> Client:
    """Return the browser of who may do everything on the page of the ships."""
    return signed_in(
        *("view_partitionconfig", "change_partitionconfig", "view_partitionrun"),
        *("operate_partitionconfig", "drop_partitionconfig"),
    )
