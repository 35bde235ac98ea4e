"""Tables in one database, our rows in another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.apps import apps
from django.db import migrations
from pytest_django import DjangoDbBlocker

from pg_timepart.errors import Refused
from pg_timepart.maintenance.maintain import maintain, maintain_all
from pg_timepart.maintenance.reconcile import reconcile
from pg_timepart.models import PartitionConfig, PartitionLog, PartitionRun
from pg_timepart.post_migrate.provision import after_migrate
from pg_timepart.schema.registry import only_decorated
from tests.apps.fleet.models import Crossing, Ship
from tests.support.database import Database, at

if TYPE_CHECKING:
    from pytest_django import Settings

MAY = at("2024-05-15 10:30")


class Elsewhere:
    """Ships live in ``other``, and all else, our rows too, in ``default``."""

    def db_for_read(self, model: Any, **_hints: Any) -> str:
        return "other" if model._meta.label_lower == "fleet.ship" else "default"

    db_for_write = db_for_read

    def allow_migrate(
        self, db: str, app_label: str, model_name: str | None = None, **_hints: Any
    ) -> bool:
        return (db == "other") == ((app_label, model_name) == ("fleet", "ship"))


@pytest.fixture
def other(
    database: Database, settings: Settings, django_db_blocker: DjangoDbBlocker
) -> Iterator[Database]:
    """The other database, with a table of ships and without our rows."""
    with django_db_blocker.unblock():
        there = Database("other")
        with there.tidy():
            rows = [PartitionRun, PartitionLog, PartitionConfig]
            kept = {model: model._meta.db_table for model in rows}
            for table in kept.values():
                there.execute(f"ALTER TABLE {table} RENAME TO hidden_{table}")
            settings.DATABASE_ROUTERS = [
                "tests.integration.operations.test_separate_databases.Elsewhere"
            ]
            try:
                yield there
            finally:
                settings.DATABASE_ROUTERS = []
                for table in kept.values():
                    there.execute(f"ALTER TABLE hidden_{table} RENAME TO {table}")


def test_a_pass_works_there_and_writes_here(database: Database, other: Database) -> None:
    report = maintain("fleet.ship", now=MAY)
    assert report.outcome == "done"
    assert len(other.ranges(Ship)) == 3
    assert database.ranges(Ship) == []
    assert [row.table_name for row in database.logs(Ship)] == sorted(other.children(Ship))
    assert database.runs(Ship)[0].outcome == "done"
    assert maintain("fleet.ship", now=MAY).outcome == "unchanged"


def test_the_whole_life_of_a_partition(database: Database, other: Database) -> None:
    Ship.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
    Ship.objects.create(sailed_at=at("2024-01-15"), name="Argo")
    log = database.log(Ship, "2024-01-01")
    log.detach()
    assert Ship.objects.count() == 0
    log.attach()
    assert Ship.objects.get().name == "Argo"
    log.set_tablespace("pg_default")
    log.truncate()
    log.detach()
    log.refresh_from_db()
    assert not log.is_attached
    log.delete()
    assert not other.exists("fleet_ship_20240101_20240201")
    assert database.logs(Ship) == []


def test_rows_follow_the_catalog_there(database: Database, other: Database) -> None:
    maintain("fleet.ship", now=MAY)
    other.execute("DROP TABLE fleet_ship_20240701_20240801")
    other.execute("ALTER TABLE fleet_ship DETACH PARTITION fleet_ship_20240501_20240601")
    report = reconcile("fleet.ship")
    assert len(report.repairs) == 2
    assert [row.is_attached for row in database.logs(Ship)] == [False, True]


@pytest.fixture
def one_model_in_each() -> Iterator[None]:
    with only_decorated(Ship, Crossing):
        yield


def test_all_tables_of_both(database: Database, other: Database, one_model_in_each: None) -> None:
    assert {each.outcome for each in maintain_all(now=MAY)} == {"done"}
    assert (len(other.ranges(Ship)), len(database.ranges(Crossing))) == (3, 3)
    assert {each.outcome for each in maintain_all(now=MAY)} == {"unchanged"}


def test_a_database_that_is_away_stops_no_other(
    database: Database,
    other: Database,
    one_model_in_each: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = other.connection.settings_dict["NAME"]
    other.connection.close()
    with monkeypatch.context() as away:
        away.setitem(other.connection.settings_dict, "NAME", f"{name}_away")
        reports = {each.label: each for each in maintain_all(now=MAY)}
    assert reports["fleet.crossing"].outcome == "done"
    assert reports["fleet.ship"].outcome == "failed"
    assert f"{name}_away" in reports["fleet.ship"].reason
    assert database.runs(Ship)[0].outcome == "failed"
    assert f"{name}_away" in database.runs(Ship)[0].message
    assert {each.outcome for each in maintain_all(now=MAY)} == {"done", "unchanged"}


def test_after_migrate_of_the_other_its_tables_accept_rows(
    database: Database, other: Database
) -> None:
    after_migrate(apps.get_app_config("pg_timepart"), using="other")
    Ship.objects.create(sailed_at=database.one("SELECT now()"))
    assert len(other.ranges(Ship)) == 3
    assert len(database.logs(Ship)) == 3
    assert database.ranges(Ship) == []


def unapplied(using: str, *operations: Any) -> None:
    """Tell the receiver that a migration of the fleet was taken back in that database."""
    migration: Any = migrations.Migration("0001_initial", "fleet")
    migration.operations = list(operations)
    sender = apps.get_app_config("pg_timepart")
    after_migrate(sender, using=using, plan=[(migration, True)])


def test_a_config_goes_with_the_table_where_that_is(database: Database, other: Database) -> None:
    maintain("fleet.ship", now=MAY)
    maintain("fleet.crossing", now=MAY)
    creations = [migrations.CreateModel(each, fields=[]) for each in ("Ship", "Crossing")]
    before = PartitionConfig.objects.get(model_label="fleet.ship").pk
    unapplied("default", creations[0])
    assert PartitionConfig.objects.filter(pk=before).exists()
    other.execute("ALTER TABLE fleet_ship RENAME TO gone")
    for log in database.logs(Ship):
        other.execute(f"DROP TABLE {log.table_name}")
    try:
        unapplied("other", *creations)
        labels = set(PartitionConfig.objects.values_list("model_label", flat=True))
        assert "fleet.ship" not in labels
        assert "fleet.crossing" in labels
    finally:
        other.execute("ALTER TABLE gone RENAME TO fleet_ship")


def test_a_config_is_renamed_with_the_table_where_that_is(
    database: Database, other: Database
) -> None:
    maintain("fleet.ship", now=MAY)
    PartitionConfig.objects.filter(model_label="fleet.ship").update(model_label="fleet.boat")
    before = PartitionConfig.objects.get(model_label="fleet.boat").pk
    renaming = migrations.RenameModel("Ship", "Boat")
    unapplied("default", renaming)
    assert PartitionConfig.objects.get(pk=before).model_label == "fleet.boat"
    unapplied("other", renaming)
    assert PartitionConfig.objects.get(pk=before).model_label == "fleet.ship"


def test_work_inside_a_transaction_of_the_other(database: Database, other: Database) -> None:
    from django.db import transaction

    with transaction.atomic(using="other"):
        Ship.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
        transaction.set_rollback(True, using="other")
    assert other.ranges(Ship) == []
    # The row was written to another database, which knows of no rollback; the next pass repairs.
    maintain("fleet.ship", now=MAY)
    assert next(row.start for row in database.logs(Ship)) == at("2024-05-01")


def test_db_manager_works_on_the_table_of_another_database(database: Database) -> None:
    there = Database("other")
    with there.tidy():
        database.cover(Ship, "2024-01-01", "2024-02-01")
        before = database.ranges(Ship)
        Ship.partitioning.db_manager("other").create_range(at("2023-01-01"), at("2023-02-01"))
        assert there.ranges(Ship) == [("2023-01-01", "2023-02-01")]
        assert database.ranges(Ship) == before


def test_what_is_done_in_another_database_leaves_our_rows_alone(database: Database) -> None:
    there = Database("other")
    with there.tidy():
        config = database.configure(Ship, interval=2)
        database.cover(Ship, "2024-01-01", "2024-02-01")
        config.logs.update(detach_time=at("2999-01-01"))
        maintain("fleet.ship", now=MAY)
        before = list(PartitionLog.objects.order_by("pk").values())
        elsewhere = Ship.partitioning.db_manager("other")
        elsewhere.create_range(at("2023-01-01"), at("2023-03-01"))
        elsewhere.create_partition(5)
        assert there.ranges(Ship)[0] == ("2023-01-01", "2023-02-01")
        elsewhere.detach_partition()
        elsewhere.attach_partition()
        elsewhere.truncate_all_partition()
        assert there.ranges(Ship)[0] != ("2023-01-01", "2023-02-01")
        assert elsewhere.latest is None
        assert elsewhere.config == config
        assert list(PartitionLog.objects.order_by("pk").values()) == before
        assert not there.query("SELECT FROM pg_timepart_partitionlog")
        assert [each.operation for each in database.runs(Ship)] == ["maintain", "create"]
        maintain("fleet.ship", now=MAY)
        assert database.ranges(Ship)[0] == ("2024-01-01", "2024-02-01")


def test_what_an_operator_wants_of_the_model_is_wanted_in_another_database_too(
    database: Database,
) -> None:
    there = Database("other")
    with there.tidy():
        raft = database.configure(Ship, interval=None, period="Day")
        elsewhere = Ship.partitioning.db_manager("other")
        elsewhere.create_range(at("2023-01-01"), at("2023-01-02"))
        elsewhere.detach_partition()
        assert there.ranges(Ship) == [("2023-01-01", "2023-01-02")]
        assert raft.logs.count() == 0


def test_a_row_is_refused_by_a_manager_of_another_database(database: Database) -> None:
    (log,) = database.cover(Ship, "2024-01-01", "2024-02-01")
    elsewhere = Ship.partitioning.db_manager("other")
    for ask in (elsewhere.detach_partition, elsewhere.delete_partition, elsewhere.attach_partition):
        with pytest.raises(Refused, match=r"in another database: partitions in 'other' have no"):
            ask(log)
    assert database.ranges(Ship) == [("2024-01-01", "2024-02-01")]


def test_a_row_of_another_database_with_our_numbers_is_refused(database: Database) -> None:
    there = Database("other")
    with there.tidy():
        (log,) = database.cover(Ship, "2024-01-01", "2024-02-01")
        config = PartitionConfig(pk=log.config_id, model_label="fleet.ship")
        config.save(using="other", force_insert=True)
        log.table_name = "of_the_other_database"
        log.save(using="other", force_insert=True)
        with pytest.raises(Refused, match="was read from the database 'other'"):
            PartitionLog.objects.using("other").get().detach()
        assert database.ranges(Ship) == [("2024-01-01", "2024-02-01")]


def test_an_alias_of_the_same_database_keeps_its_rows(
    database: Database, settings: Settings
) -> None:
    settings.PG_TIMEPART = {"MAINTENANCE_DATABASES": {"default": "other"}}
    with Database("other").tidy():
        elsewhere = Ship.partitioning.db_manager("other")
        elsewhere.create_range(at("2023-01-01"), at("2023-02-01"))
        latest = elsewhere.latest
        assert latest is not None
        assert latest.start == at("2023-01-01")


def test_maintenance_may_go_past_a_pooler(database: Database, settings: Settings) -> None:
    settings.PG_TIMEPART = {"MAINTENANCE_DATABASES": {"default": "other"}}
    there = Database("other")
    with there.tidy():
        maintain("fleet.ship", now=MAY)
        assert len(there.ranges(Ship)) == 3
        assert database.ranges(Ship) == []
