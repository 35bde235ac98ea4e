"""The stock makemigrations, migrate and sqlmigrate, on an application as people write it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, connections, migrations, models
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import MigrationWriter
from django.test import override_settings

from pg_timepart.schema.declaration import Declaration, declaration_of
from pg_timepart.schema.registry import registry
from tests.apps.shop.models import Customer, DataTable, Event, Invoice, Order, PageView, Tag, Visit

NOON = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)
PARTITIONED: set[type[models.Model]] = {DataTable, Event, Invoice, Order, PageView, Visit}


class ToOther:
    """Routes the shop to the database ``other``."""

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return "other" if model._meta.app_label == "shop" else None

    db_for_read = db_for_write

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return db == "other" if app_label == "shop" else None


@pytest.fixture
def migrated_back() -> Iterator[None]:
    """Leave the shop as it was, whatever happens."""
    yield
    call_command("migrate", "shop", verbosity=0)


def historical(name: str) -> Any:
    return MigrationLoader(None).project_state().apps.get_model("shop", name)


def shop_tables(using: str = "default") -> list[str]:
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relname LIKE 'shop\\_%%' AND relkind IN ('r', 'p')"
            " ORDER BY 1"
        )
        return [name for (name,) in cursor.fetchall()]


def everything() -> list[Any]:
    """Each table, index, sequence and constraint that is not a partition's: those follow time."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, relkind::text FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND NOT relispartition"
            " UNION ALL SELECT conname, contype::text FROM pg_constraint k"
            " JOIN pg_class c ON c.oid = conrelid"
            " WHERE connamespace = 'public'::regnamespace AND NOT relispartition ORDER BY 1, 2"
        )
        return list(cursor.fetchall())


def test_the_registry_holds_the_decorated_models() -> None:
    assert {model for model in registry() if model._meta.app_label == "shop"} == PARTITIONED


@pytest.mark.django_db(databases=["default", "other"])
def test_there_is_nothing_to_migrate() -> None:
    call_command("makemigrations", "shop", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize("model", sorted(PARTITIONED, key=str))
def test_history_knows_what_is_declared(model: type[Any]) -> None:
    past = historical(model.__name__)
    assert declaration_of(past) == declaration_of(model) is not None
    assert past._default_manager.name == model._default_manager.name
    assert past._base_manager.name == model._base_manager.name
    assert declaration_of(historical("Customer")) is None


def test_only_what_changes_the_table_is_recorded() -> None:
    states = [ModelState.from_model(model) for model in (Event, PageView)]
    written = [MigrationWriter.serialize(dict(state.managers)["partitioning"]) for state in states]
    assert [text for text, _ in written] == [
        "pg_timepart.manager.TimeRangePartitioningManager('timestamp')",
        "pg_timepart.manager.TimeRangePartitioningManager('seen_at', widen_keys=False)",
    ]


def test_a_late_decorator_is_a_change_of_managers() -> None:
    before, after = ProjectState(), ProjectState()
    now = ModelState.from_model(DataTable)
    plain = now.clone()
    plain.managers = []
    before.add_model(plain)
    after.add_model(now)
    detector: Any = MigrationAutodetector(before, after)
    changes = detector._detect_changes()
    (migration,) = changes["shop"]
    (operation,) = migration.operations
    assert isinstance(operation, migrations.AlterModelManagers)
    assert [name for name, _ in operation.managers] == ["objects", "partitioning"]


@pytest.mark.django_db
def test_sqlmigrate_shows_partitions() -> None:
    out = StringIO()
    call_command("sqlmigrate", "shop", "0001", stdout=out)
    shown = out.getvalue()
    assert shown.count("PARTITION BY RANGE") == len(PARTITIONED)
    assert (
        'CREATE TABLE "shop_datatable" ("id" bigint NOT NULL, "timestamp" timestamp with time zone '
        'NOT NULL, "data" text NOT NULL, PRIMARY KEY ("id", "timestamp")) PARTITION BY RANGE '
        '("timestamp");'
    ) in shown
    back = StringIO()
    call_command("sqlmigrate", "shop", "0001", backwards=True, stdout=back)
    assert back.getvalue().count("DROP TABLE") == len(apps.get_app_config("shop").models)


@pytest.mark.django_db
def test_tables_are_as_declared() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, pg_get_partkeydef(c.oid) FROM pg_class c"
            " WHERE relkind = 'p' AND relname LIKE 'shop\\_%%' ORDER BY 1"
        )
        assert cursor.fetchall() == [
            ("shop_datatable", 'RANGE ("timestamp")'),
            ("shop_event", 'RANGE ("timestamp")'),
            ("shop_invoice", "RANGE (issued_at)"),
            ("shop_order", "RANGE (day)"),
            ("shop_pageview", "RANGE (seen_at)"),
            ("shop_visit", "RANGE (entered_at)"),
        ]


@pytest.mark.django_db
def test_the_first_rows_are_accepted() -> None:
    now = dt.datetime.now(tz=dt.UTC)
    customer = Customer.objects.create(name="c")
    event = Event.objects.create(customer=customer, kind="k")
    event.tags.add(Tag.objects.create(name="t"))
    DataTable.objects.create(id=1, timestamp=now, data="d")
    Order.placed.create(customer=customer, number="1", placed_on=now.date())
    Invoice.objects.create(issued_at=now, number=1, total=1)
    PageView.objects.create(seen_at=now, path="/")
    Visit.objects.create(entered_at=now, door="north")
    assert Order.placed.open().count() == Invoice.objects.filter(pk=(now, 1)).count() == 1
    assert [tag.name for tag in Event.objects.get().tags.all()] == ["t"]


@pytest.mark.django_db(transaction=True)
def test_zero_and_back_leaves_nothing_behind(migrated_back: None) -> None:
    before = everything()
    call_command("migrate", "shop", "zero", verbosity=0)
    assert shop_tables() == []
    call_command("migrate", "shop", verbosity=0)
    assert everything() == before


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_a_router_chooses_the_database(migrated_back: None) -> None:
    call_command("migrate", "shop", "zero", verbosity=0)
    call_command("migrate", "shop", "zero", database="other", verbosity=0)
    with override_settings(DATABASE_ROUTERS=[f"{__name__}.ToOther"]):
        call_command("migrate", "shop", verbosity=0)
        call_command("migrate", "shop", database="other", verbosity=0)
        assert shop_tables() == []
        assert {model._meta.db_table for model in PARTITIONED} <= set(shop_tables("other"))
        Visit.objects.create(entered_at=dt.datetime.now(tz=dt.UTC), door="south")
        assert Visit.objects.get().door == "south"
        call_command("migrate", "shop", "zero", database="other", verbosity=0)
        assert shop_tables("other") == []
        call_command("migrate", "shop", "zero", verbosity=0)
    call_command("migrate", "shop", database="other", verbosity=0)


def test_a_declaration_that_is_deconstructed_is_the_same() -> None:
    manager: Any = Event.partitioning
    _, path, _, args, kwargs = manager.deconstruct()
    assert (path, args, kwargs) == (
        "pg_timepart.manager.TimeRangePartitioningManager",
        ("timestamp",),
        {},
    )
    again = type(manager)(key="timestamp", widen_keys=True)
    assert again == manager
    assert again.declaration == Declaration(key="timestamp")
    assert type(manager)("timestamp", False) != manager
