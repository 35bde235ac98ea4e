"""Models with methods of their own, children of their own, or rows in another database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps.registry import Apps
from django.db import DatabaseError, connections, models
from django.test.utils import CaptureQueriesContext

from pg_timepart import TimeRangePartitioningSupport
from tests.apps.fleet.models import Ship
from tests.support.database import Database, at
from tests.support.touched_partitions import attach, touched

OLD, NEW = "raft_old", "raft_new"


class SoftDeletion(models.Model):
    """Keeps the row, and knows an older refresh_from_db()."""

    gone = models.BooleanField(default=False)

    class Meta:
        abstract = True
        app_label = "fleet"

    def delete(self, *args: Any, **options: Any) -> Any:
        self.gone = True
        self.save(update_fields=["gone"])
        return 0, {}

    def refresh_from_db(self, using: str | None = None, fields: Any = None) -> None:  # type: ignore[override]
        super().refresh_from_db(using=using, fields=fields)

    def save(self, *args: Any, **options: Any) -> None:
        self.saves = getattr(self, "saves", 0) + 1
        super().save(*args, **options)


def build(database: Database, *bases: type, apps: Apps | None = None, **body: Any) -> Any:
    """Return a partitioned model with its table and two partitions."""
    meta = type(
        "Meta", (), {"app_label": "fleet", "apps": apps or Apps(), "db_table": "fleet_raft"}
    )
    body = {"at": models.DateTimeField(), **body, "Meta": meta, "__module__": __name__}
    model = TimeRangePartitioningSupport("at")(type("Raft", bases or (models.Model,), body))
    with database.connection.schema_editor() as editor:
        editor.create_model(model)
    attach(database, "fleet_raft", f"{OLD} {NEW}", "1900-01-01", "2020-01-01", "9999-01-01")
    return model


def test_methods_of_the_models_own_are_called_and_prune_where_they_call_djangos(
    database: Database,
) -> None:
    raft = build(database, SoftDeletion)
    row = raft.objects.create(at=at("2020-01-15"))
    row = raft.objects.get()
    with touched(raft) as names:
        row.save()
        row.refresh_from_db()
        assert row.delete() == (0, {})
    assert names == {NEW}
    assert row.saves == 2
    assert raft.objects.get().gone


def test_a_row_of_a_child_table_is_found_by_its_parents_key(database: Database) -> None:
    apps = Apps()
    raft = build(database, apps=apps, name=models.CharField(max_length=9, default="a"))
    meta = type("Meta", (), {"app_label": "fleet", "apps": apps, "db_table": "fleet_big_raft"})
    # The server has no foreign key to ids that are not unique by themselves.
    link = models.OneToOneField(
        raft, models.CASCADE, parent_link=True, primary_key=True, db_constraint=False
    )
    body = {"raft": link, "sails": models.IntegerField(default=1), "Meta": meta}
    child: Any = type("BigRaft", (raft,), {"__module__": __name__, **body})
    with database.connection.schema_editor() as editor:
        editor.create_model(child)
    row = child.objects.create(at=at("2020-01-15"))
    row.sails = 2
    with touched(raft) as names:
        row.save()
        row.save(update_fields=["sails"])
        row.refresh_from_db()
    assert names == {NEW}
    row.at = at("2019-01-15")
    row.save()
    (row,) = child.objects.all()
    assert (row.at, row.sails) == (at("2019-01-15"), 2)
    with touched(raft) as names:
        assert row.delete() == (2, {"fleet.BigRaft": 1, "fleet.Raft": 1})
    assert names == {OLD}
    assert not raft.objects.exists()


@pytest.fixture
def both(database: Database, both_databases: None) -> Iterator[Database]:
    other = Database("other")
    for each in (database, other):
        attach(each, "fleet_ship", "ship_2020 ship_2021", "2020-01-01", "2021-01-01", "2022-01-01")
    yield other
    other.execute("DROP TABLE ship_2020, ship_2021")
    other.connection.close()


class Replica:
    """Reads from the other database."""

    def db_for_read(self, model: Any, **_hints: Any) -> str:
        return "other" if model is Ship else "default"

    def db_for_write(self, model: Any, **_hints: Any) -> str:
        return "default"


def test_an_instance_prunes_in_whichever_database_has_its_row(
    both: Database, settings: Any
) -> None:
    ship = Ship.objects.create(sailed_at=at("2020-05-05"), name="here")
    there = Ship(pk=ship.pk, sailed_at=at("2021-05-05"), name="there")
    there.save(using="other", force_insert=True)
    ship.refresh_from_db(using="other")
    assert (ship.name, ship.sailed_at, ship._state.db) == ("there", at("2021-05-05"), "other")
    ship.save(using="default")
    assert Ship.objects.using("default").get().sailed_at == at("2021-05-05")
    settings.DATABASE_ROUTERS = [f"{__name__}.Replica"]
    ship = Ship.objects.get()
    assert ship._state.db == "other"
    for use in (ship.save, ship.delete):
        with touched(Ship) as names:
            use()
        assert names == {"ship_2021"}
    settings.DATABASE_ROUTERS = []
    assert Ship.objects.using("other").count() == 1
    assert Ship.objects.using("other").get().delete() == (1, {"fleet.Ship": 1})


def test_threads_and_nested_deletes_keep_to_their_own_rows(both: Database) -> None:
    first, second = (Ship.objects.create(sailed_at=at(f"{year}-05-05")) for year in (2020, 2021))
    there = Ship.objects.using("other").create(pk=first.pk, sailed_at=at("2021-06-06"))

    def delete_others(instance: Ship, **_: Any) -> None:
        if instance is first:
            assert there.delete(using="other")[0] == second.delete()[0] == 1

    models.signals.pre_delete.connect(delete_others, sender=Ship)
    try:
        with CaptureQueriesContext(connections["other"]) as captured, touched(Ship) as names:
            assert first.delete()[0] == 1
    finally:
        models.signals.pre_delete.disconnect(delete_others, sender=Ship)
    assert names == {"ship_2020", "ship_2021"}
    assert [each["sql"].split()[0] for each in captured.captured_queries].count("DELETE") == 1
    assert not Ship.objects.exists()
    assert not Ship.objects.using("other").exists()


def test_attributes_of_the_models_own_are_left_alone(database: Database) -> None:
    own: dict[str, Any] = {
        "_remember": 5,
        "_row_key": "mine",
        "_key_name": "yours",
        "_key_field": None,
    }
    raft = build(database, **own)
    row = raft.objects.create(at=at("2020-01-15"))
    row.save()
    assert {name: getattr(row, name) for name in own} == own


def test_a_base_manager_that_joins_makes_no_subquery_of_each_row(database: Database) -> None:
    class OfPorts(models.Manager[Any]):
        def get_queryset(self) -> Any:
            return super().get_queryset().exclude(before__at=at("1999-01-01"))

    before = models.ForeignKey("self", models.CASCADE, null=True, db_constraint=False)
    raft = build(database, before=before, objects=models.Manager(), of_ports=OfPorts())
    raft._meta.base_manager_name = "of_ports"
    raft._meta.__dict__.pop("base_manager", None)
    row = raft.objects.create(at=at("2020-01-15"))
    with CaptureQueriesContext(database.connection) as captured:
        row.save()
    (statement,) = (each["sql"] for each in captured)
    assert "JOIN" in statement
    assert '"fleet_raft"."at" = ' not in statement.partition("WHERE")[2]


def test_a_trigger_that_refuses_a_change_is_asked_once(database: Database) -> None:
    raft = build(database, name=models.TextField(default="Calypso"))
    row = raft.objects.create(at=at("2020-01-15"))
    database.execute("CREATE TABLE fleet_refused (what text)")
    database.execute(
        "CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO fleet_refused VALUES (TG_OP); RETURN NULL; END $$"
    )
    database.execute(
        "CREATE TRIGGER refuse BEFORE UPDATE OR DELETE ON fleet_raft"
        " FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse()"
    )
    with pytest.raises(DatabaseError, match="did not affect any rows"):
        row.save(force_update=True)
    assert row.delete()[0] == 0
    assert database.query("SELECT what FROM fleet_refused ORDER BY what") == ["DELETE", "UPDATE"]
