"""A model whose primary key is its partition key: relations and upserts as of a plain table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import IntegrityError, connection, migrations, models, transaction
from django.db.models.deletion import ProtectedError
from django.test import Client, override_settings
from django.urls import reverse

from pg_timepart import uuid7
from pg_timepart.manager import TimeRangePartitioningManager
from tests.apps.depot.models import Load, Parcel, Receipt, Scan, Van
from tests.support.migration_operations import MigrationRunner

pytestmark = pytest.mark.django_db


def constraints(table: str, kinds: str = "puf") -> set[str]:
    return MigrationRunner().constraints(table, kinds)


def test_nothing_is_widened_but_other_unique_fields() -> None:
    assert constraints("depot_parcel") == {"PRIMARY KEY (id)", "UNIQUE (code, id)"}
    refers = "FOREIGN KEY (parcel_id) REFERENCES depot_parcel(id) DEFERRABLE INITIALLY DEFERRED"
    for model in (Scan, Receipt, Load, Van.parcels.through):
        assert refers in constraints(model._meta.db_table)


def test_the_database_checks_what_refers_to_it() -> None:
    Scan.objects.create(parcel=Parcel.objects.create())
    connection.check_constraints()
    for work in (
        lambda: Scan.objects.create(parcel_id=uuid7()),
        lambda: Parcel.objects.all()._raw_delete("default"),
    ):
        with pytest.raises(IntegrityError):
            checked(work)


def checked(work: Callable[[], Any]) -> None:
    with transaction.atomic():
        work()
        connection.check_constraints()


def test_relations_and_what_is_deleted_with_them() -> None:
    first, second = Parcel.objects.create(value=1), Parcel.objects.create(value=2)
    van = Van.objects.create()
    van.parcels.set([first, second])
    van.loaded.add(first, through_defaults={"place": 3})
    scan = Scan.objects.create(parcel=first)
    receipt = Receipt.objects.create(parcel=second)
    assert first.scan_set.get() == scan
    assert second.receipt == receipt
    assert [*van.parcels.order_by("value")] == [first, second]
    assert first.loaders.get() == van
    assert Scan.objects.select_related("parcel").get(parcel__value=1).parcel == first
    assert [*Van.objects.prefetch_related("parcels").get().parcels.all()] != []
    with pytest.raises(ProtectedError):
        second.delete()
    first.delete()
    connection.check_constraints()
    assert not Scan.objects.exists()
    assert not Load.objects.exists()
    assert van.parcels.get() == second


def test_upserts_by_id() -> None:
    parcel = Parcel(value=1)
    Parcel.objects.bulk_create([parcel])
    parcel.value = 2
    Parcel.objects.bulk_create(
        [parcel, Parcel(value=3)],
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["value"],
    )
    assert sorted(Parcel.objects.values_list("value", flat=True)) == [2, 3]
    Parcel.objects.bulk_create([Parcel(id=parcel.pk, value=9)], ignore_conflicts=True)
    found, is_new = Parcel.objects.get_or_create(id=parcel.pk, defaults={"value": 7})
    assert (found.value, is_new) == (2, False)
    found, is_new = Parcel.objects.update_or_create(id=parcel.pk, defaults={"value": 8})
    assert (found.value, is_new, Parcel.objects.count()) == (8, False, 2)
    _, is_new = Parcel.objects.get_or_create(id=uuid7(), defaults={"value": 7})
    assert is_new
    with pytest.raises(IntegrityError), transaction.atomic():
        Parcel(id=parcel.pk).save(force_insert=True)


def test_it_is_emptied_with_what_refers_to_it() -> None:
    """As the ``flush`` of a TransactionTestCase does: TRUNCATE refuses one table alone."""
    Scan.objects.create(parcel=Parcel.objects.create())
    connection.check_constraints()
    tables = [model._meta.db_table for model in (Parcel, Scan, Receipt, Load, Van)]
    statements = connection.ops.sql_flush(
        no_style(), [*tables, Van.parcels.through._meta.db_table], reset_sequences=True
    )
    connection.ops.execute_sql_flush(statements)
    assert not Parcel.objects.exists()


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client()
    with override_settings(ROOT_URLCONF="tests.support.registered_admin"):
        client.force_login(User.objects.create_superuser("root"))
        yield client


def test_the_admin_adds_changes_and_deletes_both_sides(client: Client) -> None:
    def url(model: str, verb: str, *args: object) -> str:
        return reverse(f"registered:depot_{model}_{verb}", args=args)

    new = {"id": str(uuid7()), "value": 4, "code": "y"}
    assert client.post(url("parcel", "add"), new).status_code == 302
    parcel = Parcel.objects.get()
    assert "parcel 4" in client.get(url("scan", "add")).content.decode()
    added = client.post(url("scan", "add"), {"parcel": str(parcel.pk), "grams": 5})
    assert added.status_code == 302
    scan = Scan.objects.get(parcel=parcel)
    changed = client.post(
        url("parcel", "change", parcel.pk), {"id": str(parcel.pk), "value": 6, "code": "x"}
    )
    assert changed.status_code == 302
    parcel.refresh_from_db()
    assert (parcel.value, parcel.code) == (6, "x")
    page = client.get(url("parcel", "delete", parcel.pk)).content.decode()
    assert str(scan) in page
    assert client.post(url("parcel", "delete", parcel.pk), {"post": "yes"}).status_code == 302
    assert not Scan.objects.exists()


@pytest.fixture
def runner() -> MigrationRunner:
    """A partitioned model that has a row and two partitions, and a plain one."""
    runner = MigrationRunner()
    runner.run(
        migrations.CreateModel(
            "Parcel",
            [("id", models.UUIDField(primary_key=True, default=uuid7))],
            managers=[
                ("objects", models.Manager()),
                ("partitioning", TimeRangePartitioningManager("id", key_format="uuid7")),
            ],
        ),
        migrations.CreateModel("Scan", [("id", models.BigAutoField(primary_key=True))]),
    )
    middle = "01900000-0000-0000-0000-000000000000"
    for name, bounds in (
        ("old", f"FROM (MINVALUE) TO ('{middle}')"),
        ("new", f"FROM ('{middle}') TO (MAXVALUE)"),
    ):
        runner.execute(f"CREATE TABLE {name} PARTITION OF lab_parcel FOR VALUES {bounds}")
    return runner


def to_parcel(**options: Any) -> models.ForeignKey[Any, Any]:
    options = {"null": True, "on_delete": models.CASCADE, **options}
    return models.ForeignKey(to="lab.parcel", **options)


def refers(runner: MigrationRunner, table: str = "lab_scan") -> int:
    return sum("REFERENCES lab_parcel(id)" in each for each in runner.constraints(table, "f"))


def test_a_foreign_key_is_added_altered_and_removed_by_migrations(
    runner: MigrationRunner,
) -> None:
    adding = migrations.AddField("Scan", "parcel", to_parcel())
    assert re.search(r'REFERENCES "lab_parcel" ?\("id"\) DEFERRABLE', runner.sql(adding))
    runner.run(adding)
    assert refers(runner) == 1
    parcel = runner.model("Parcel").objects.create()
    runner.model("Scan").objects.create(parcel=parcel)
    runner.execute("SET CONSTRAINTS ALL IMMEDIATE")
    runner.run(migrations.AlterField("Scan", "parcel", to_parcel(null=False)))
    runner.run(migrations.AlterField("Scan", "parcel", to_parcel(db_constraint=False)))
    assert refers(runner) == 0
    runner.undo(2)
    assert refers(runner) == 1
    runner.run(migrations.RemoveField("Scan", "parcel"))
    assert refers(runner) == 0
    runner.run(
        migrations.AddField("Scan", "parcels", models.ManyToManyField(to="lab.parcel")),
    )
    assert refers(runner, "lab_scan_parcels") == 1
    runner.run(migrations.RemoveField("Scan", "parcels"))
    runner.undo(5)
    assert runner.query("SELECT to_regclass('lab_scan_parcels')") == [None]


def test_a_model_that_others_refer_to_is_renamed_and_deleted(runner: MigrationRunner) -> None:
    runner.run(migrations.AddField("Scan", "parcel", to_parcel()))
    runner.run(migrations.RenameModel("Parcel", "Package"))
    assert "REFERENCES lab_package(id)" in "".join(runner.constraints("lab_scan", "f"))
    runner.run(
        migrations.RemoveField("Scan", "parcel"),
        migrations.DeleteModel("Package"),
    )
    assert runner.query("SELECT to_regclass('lab_package'), to_regclass('old')") == [(None, None)]


def test_makemigrations_finds_nothing_to_do() -> None:
    call_command("makemigrations", "depot", check=True, dry_run=True, verbosity=0)
