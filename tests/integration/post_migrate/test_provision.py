"""What ``migrate`` does at its end, and the checks of what keeps tables rotating afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, migrations, models

from pg_timepart import TimeRangePartitioningSupport
from pg_timepart.models import PartitionConfig, PartitionLog
from pg_timepart.post_migrate.provision import after_migrate
from pg_timepart.postgres.catalog import read_commented
from pg_timepart.schema.registry import _registry, registry
from tests.apps.shop.models import Event, Visit


def migrated(*operations: Any, backwards: bool = False) -> None:
    """Tell the receiver that a migration of the shop with these operations was applied."""
    migration: Any = migrations.Migration("0002_later", "shop")
    migration.operations = list(operations)
    sender = apps.get_app_config("pg_timepart")
    after_migrate(sender, using="default", plan=[(migration, backwards)])


@pytest.mark.django_db
def test_a_config_is_made_from_the_decorator_and_left_alone_later() -> None:
    config = Event.partitioning.config
    assert (config.period, config.interval, config.premake) == ("Day", 30, 7)
    config.premake = 3
    config.save()
    call_command("migrate", verbosity=0)
    assert PartitionConfig.objects.get(model_label="shop.event").premake == 3


@pytest.mark.django_db
def test_a_config_that_was_lost_comes_back_with_its_rows() -> None:
    names = set(Event.partitioning.config.logs.values_list("table_name", flat=True))
    assert names
    PartitionConfig.objects.all().delete()
    call_command("migrate", verbosity=0)
    assert set(Event.partitioning.config.logs.values_list("table_name", flat=True)) == names


@pytest.mark.django_db
def test_a_config_follows_a_renamed_model_and_so_do_the_marks_of_its_tables() -> None:
    before = PartitionConfig.objects.get(model_label="shop.visit")
    before.model_label = "shop.stay"
    before.save()
    with connection.cursor() as cursor:
        for log in PartitionLog.objects.filter(config=before):
            mark = '\'pg_timepart {"model": "shop.stay", "from": null, "to": null}\''
            cursor.execute(f"COMMENT ON TABLE {log.table_name} IS {mark}")
    migrated(migrations.RenameModel("Stay", "Visit"))
    assert PartitionConfig.objects.get(model_label="shop.visit").pk == before.pk
    Visit.partitioning.detach_partition(Visit.partitioning.latest, concurrently=False)
    assert [each.comment and each.comment.label for each in read_commented(connection)] == [
        "shop.visit"
    ]
    migrated(migrations.RenameModel("Visit", "Stay"))
    assert not PartitionConfig.objects.filter(model_label="shop.visit", pk=before.pk).exists()


@pytest.mark.django_db
def test_a_config_goes_with_its_model() -> None:
    PartitionConfig.objects.create(model_label="shop.gone")
    PartitionConfig.objects.create(model_label="shop.never")
    migrated(migrations.DeleteModel("Gone"))
    migrated(migrations.CreateModel("Never", fields=[]), backwards=True)
    assert not PartitionConfig.objects.filter(model_label__in=["shop.gone", "shop.never"]).exists()


@pytest.mark.django_db
def test_our_own_tables_at_an_older_state_do_not_stop_migrate() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE pg_timepart_partitionconfig DROP COLUMN max_retire_per_pass")
        migrated()
        cursor.execute("SELECT count(*) FROM pg_timepart_partitionconfig")
        assert cursor.fetchone()[0] > 0


@pytest.mark.django_db
def test_a_wrongly_decorated_class_is_left_to_the_checks() -> None:
    class Base(models.Model):
        at = models.DateTimeField()

        class Meta:
            abstract = True
            app_label = "shop"

    TimeRangePartitioningSupport("at")(Base)
    try:
        assert Base not in registry()
        migrated()
    finally:
        _registry.pop("shop.base", None)
