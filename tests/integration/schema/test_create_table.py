"""What CREATE TABLE of a partitioned model looks like in the catalog."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import IntegrityError, connections, models, transaction
from django.db.migrations.state import ModelState
from django.db.models.functions import Lower, Now

from pg_timepart.errors import UnknownName
from pg_timepart.schema.editor import PartitioningSchemaEditor, install
from tests.support.migration_operations import LABEL, MigrationRunner, create, partitioned_by

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)


@pytest.fixture
def runner() -> MigrationRunner:
    return MigrationRunner()


def code(**options: Any) -> tuple[str, models.Field[Any, Any]]:
    return "code", models.CharField(max_length=20, **options)


def test_install_twice_changes_nothing() -> None:
    before = type(connections["default"]).SchemaEditorClass
    install()
    assert type(connections["default"]).SchemaEditorClass is before
    assert issubclass(before, PartitioningSchemaEditor)


def test_install_keeps_the_editor_that_a_backend_brings(monkeypatch: pytest.MonkeyPatch) -> None:
    created: list[str] = []
    wrapper = type(connections["default"])
    original: Any = next(
        base
        for base in wrapper.SchemaEditorClass.__mro__
        if base.__module__ == "django.db.backends.postgresql.schema"
    )

    def create_model(self: Any, model: Any) -> None:
        created.append(model.__name__)
        original.create_model(self, model)

    theirs = type("SpatialEditor", (original,), {"create_model": create_model})
    monkeypatch.setattr(wrapper, "SchemaEditorClass", theirs)
    install()
    runner = MigrationRunner()
    runner.run(create("Reading"))
    assert created == ["Reading"]
    assert runner.partition_key("lab_reading") == "RANGE (at)"


def test_primary_key_is_widened(runner: MigrationRunner) -> None:
    runner.run(create("Reading"))
    assert runner.partition_key("lab_reading") == "RANGE (at)"
    assert runner.constraints("lab_reading") == {"PRIMARY KEY (id, at)"}


def test_rows_come_and_go_through_the_historical_model(runner: MigrationRunner) -> None:
    runner.run(create("Reading", code()))
    runner.cover("lab_reading")
    first = runner.model("Reading").objects.create(at=NOON, code="a")
    second = runner.model("Reading").objects.create(at=NOON, code="b")
    assert (first.pk, second.pk) == (1, 2)
    first.code = "c"
    first.save()
    assert [each.code for each in runner.model("Reading").objects.order_by("id")] == ["c", "b"]


def test_unique_holds_within_one_instant(runner: MigrationRunner) -> None:
    runner.run(create("Reading", code(unique=True)))
    runner.cover("lab_reading")
    assert runner.constraints("lab_reading") == {"PRIMARY KEY (id, at)", "UNIQUE (code, at)"}
    readings = runner.model("Reading").objects
    readings.create(at=NOON, code="a")
    readings.create(at=NOON + dt.timedelta(microseconds=1), code="a")
    with pytest.raises(IntegrityError), transaction.atomic():
        readings.create(at=NOON, code="a")


def test_keys_are_left_out_where_asked(runner: MigrationRunner) -> None:
    runner.run(create("Reading", code(unique=True), widen_keys=False))
    assert runner.constraints("lab_reading") == set()
    assert runner.indexes("lab_reading") == ["btree (code varchar_pattern_ops)"]


@pytest.mark.parametrize("widen_keys", [True, False])
@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (models.DateTimeField(unique=True), {"UNIQUE (at)"}),
        (models.DateTimeField(primary_key=True), {"PRIMARY KEY (at)"}),
    ],
    ids=["unique", "primary"],
)
def test_a_key_that_is_unique_itself_stays(
    runner: MigrationRunner, key: models.Field[Any, Any], expected: set[str], widen_keys: bool
) -> None:
    fields = [("at", key)]
    if not key.primary_key:
        fields.insert(0, ("id", models.BigIntegerField(primary_key=True)))
    state = ModelState(LABEL, "Tick", fields, managers=partitioned_by("at", widen_keys))
    runner.state.add_model(state)
    with runner.connection.schema_editor() as editor:
        editor.create_model(runner.model("Tick"))
    widened = {"PRIMARY KEY (id, at)"} if widen_keys and not key.primary_key else set()
    assert runner.constraints("lab_tick") == expected | widened


def test_date_key_in_a_column_of_another_name(runner: MigrationRunner) -> None:
    runner.run(create("Reading", ("day", models.DateField(db_column="on_day")), key="day"))
    assert runner.partition_key("lab_reading") == "RANGE (on_day)"
    assert runner.constraints("lab_reading") == {"PRIMARY KEY (id, on_day)"}


def test_composite_primary_key_is_as_written(runner: MigrationRunner) -> None:
    runner.run(
        create(
            "Reading",
            ("pk", models.CompositePrimaryKey("at", "sensor")),
            ("id", models.BigIntegerField()),
            ("sensor", models.IntegerField()),
        )
    )
    assert runner.constraints("lab_reading") == {"PRIMARY KEY (at, sensor)"}


def test_indexes_checks_comments_and_defaults(runner: MigrationRunner) -> None:
    runner.run(
        create(
            "Reading",
            code(db_index=True, db_comment="printed on the box"),
            ("level", models.PositiveIntegerField(db_default=7)),
            ("made", models.DateTimeField(db_default=Now())),
            (
                "double",
                models.GeneratedField(
                    expression=models.F("level") * 2,
                    output_field=models.IntegerField(),
                    db_persist=True,
                ),
            ),
            db_table_comment="what the sensors say",
            indexes=[models.Index("at", Lower("code"), name="by_time")],
        )
    )
    assert runner.indexes("lab_reading") == [
        "UNIQUE btree (id, at)",
        "btree (at, lower((code)::text))",
        "btree (code varchar_pattern_ops)",
        "btree (code)",
    ]
    assert runner.constraints("lab_reading", "c") == {"CHECK ((level >= 0))"}
    assert runner.query("SELECT obj_description('lab_reading'::regclass)") == [
        "what the sensors say"
    ]
    runner.cover("lab_reading")
    runner.model("Reading").objects.create(at=NOON, code="a")
    assert runner.query("SELECT level, double FROM lab_reading") == [(7, 14)]


def test_foreign_keys_out_and_many_to_many(runner: MigrationRunner) -> None:
    runner.run(
        create("Sensor", key=None),
        create(
            "Reading",
            ("sensor", models.ForeignKey("lab.Sensor", models.CASCADE)),
            ("box", models.OneToOneField("lab.Sensor", models.CASCADE, related_name="+")),
            ("others", models.ManyToManyField("lab.Sensor", db_constraint=False, related_name="+")),
        ),
    )
    runner.cover("lab_reading")
    assert runner.constraints("lab_reading") == {"PRIMARY KEY (id, at)", "UNIQUE (box_id, at)"}
    assert len(runner.constraints("lab_reading", "f")) == 2
    assert runner.constraints("lab_reading_others") == {
        "PRIMARY KEY (id)",
        "UNIQUE (reading_id, sensor_id)",
    }
    sensor = runner.model("Sensor").objects.create(at=NOON)
    reading = runner.model("Reading").objects.create(at=NOON, sensor=sensor, box=sensor)
    reading.others.add(sensor)
    assert list(reading.others.all()) == [sensor]
    runner.model("Reading").objects.create(at=NOON, sensor_id=99, box_id=99)
    with pytest.raises(IntegrityError):
        runner.connection.check_constraints()


def test_a_child_of_a_partitioned_model_has_a_plain_table(runner: MigrationRunner) -> None:
    runner.run(create("Reading"))
    link = models.OneToOneField(
        "lab.Reading", models.CASCADE, parent_link=True, primary_key=True, db_constraint=False
    )
    state = ModelState(
        LABEL, "Finer", [("up", link)], bases=("lab.reading",), managers=partitioned_by("at")
    )
    runner.state.add_model(state)
    with runner.connection.schema_editor() as editor:
        editor.create_model(runner.model("Finer"))
    assert runner.partition_key("lab_finer") is None
    assert runner.constraints("lab_finer") == {"PRIMARY KEY (up_id)"}


def test_an_unknown_key_is_named(runner: MigrationRunner) -> None:
    with pytest.raises(
        UnknownName, match=r"There is no field of lab.Reading named 'when'. Known: at, id"
    ):
        runner.run(create("Reading", key="when"))
