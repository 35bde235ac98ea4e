"""Configs go with their models, whatever a project's migrations do with these."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django_celery_beat.models import PeriodicTask

from pg_timepart.maintenance.maintain import maintain
from pg_timepart.models import PartitionConfig, PartitionLog, PartitionRun
from pg_timepart.postgres.catalog import read_commented
from tests.apps.plant.models import Reading, Shift
from tests.support.later_migrations import code_without, migrate, write_history

LABEL = "plant.reading"
NEXT_YEAR = dt.datetime.now(tz=dt.UTC) + dt.timedelta(days=365)
TO_PROBE, TO_READING = 'RenameModel("Reading", "Probe")', 'RenameModel("Probe", "Reading")'


History = Callable[..., None]


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> History:
    """Let each text be the operations of one more migration of the plant."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(*operations: str) -> None:
        settings.MIGRATION_MODULES = {"plant": write_history(tmp_path, *operations)}

    return write


def state_only(operations: str) -> str:
    return f"SeparateDatabaseAndState(state_operations=[{operations}])"


def edited() -> int:
    """Leave what an operator wants of the readings, a pin as well; return the config's key."""
    config = Reading.partitioning.config
    PartitionConfig.objects.filter(pk=config.pk).update(interval=77, premake=9)
    config.logs.update(detach_time=NEXT_YEAR)
    return config.pk


def configs() -> dict[str, tuple[int, int | None]]:
    """Return the key and the interval of each config of the readings, whatever their label."""
    rows = PartitionConfig.objects.exclude(model_label__in=["plant.measurement", "plant.shift"])
    return {each.model_label: (each.pk, each.interval) for each in rows}


def is_pinned(config: int) -> bool:
    return PartitionLog.objects.filter(config=config, detach_time=NEXT_YEAR).exists()


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def renamed_before_the_code(history: History, *operations: str) -> int:
    """Leave the readings as probes, as the first of the operations did for other code."""
    key = edited()
    history(*operations)
    with code_without(LABEL):
        migrate("0002")
    assert configs() == {"plant.probe": (key, 77)}
    return key


def test_migrations_that_are_only_recorded_as_undone_leave_config_and_pins(
    migrated_database: None,
) -> None:
    key = edited()
    migrate("zero", fake=True)
    assert configs() == {LABEL: (key, 77)}
    assert is_pinned(key)
    migrate(fake=True)
    assert configs() == {LABEL: (key, 77)}
    assert is_pinned(key)


def test_so_does_a_renaming_among_them(migrated_database: None, history: History) -> None:
    history(TO_PROBE, TO_READING)
    migrate()
    key = edited()
    migrate("0002", fake=True)
    assert configs() == {LABEL: (key, 77)}
    migrate(fake=True)
    assert configs() == {LABEL: (key, 77)}
    assert is_pinned(key)


def test_so_does_a_table_without_an_attached_partition(migrated_database: None) -> None:
    key = edited()
    Reading.partitioning.config.logs.all().delete()
    migrate("zero", fake=True)
    assert configs()[LABEL] == (key, 77)


def test_a_renaming_that_is_undone_in_the_table_too_is_followed_while_the_code_is_newer(
    migrated_database: None, history: History
) -> None:
    history(TO_PROBE, TO_READING)
    migrate()
    key = edited()
    migrate("0002")
    assert configs() == {"plant.probe": (key, 77)}


def test_a_chain_of_renamings_that_is_undone_leaves_each_config_with_its_table(
    migrated_database: None, history: History
) -> None:
    """What one model is called after it, another was called before."""
    history(
        'RenameModel("Measurement", "Trial")',
        'RenameModel("Reading", "Measurement")',
        'RenameModel("Trial", "Reading")',
    )
    keys = dict(PartitionConfig.objects.values_list("model_label", "pk"))
    migrate()
    assert _labels(keys[LABEL], keys["plant.measurement"]) == ["plant.measurement", LABEL]
    migrate("0002")
    assert _labels(keys[LABEL], keys["plant.measurement"]) == [LABEL, "plant.trial"]


def _labels(*keys: int) -> list[str]:
    return [PartitionConfig.objects.get(pk=key).model_label for key in keys]


def test_a_table_that_was_taken_from_the_models_alone_keeps_its_config(
    migrated_database: None, history: History
) -> None:
    history(f'{TO_PROBE}, AlterModelTable("Probe", "sonde")', state_only('DeleteModel("Probe")'))
    key = edited()
    migrate()
    assert configs() == {"plant.probe": (key, 77)}


def test_a_config_goes_where_the_table_was_dropped_beside_the_models(
    migrated_database: None, history: History
) -> None:
    delete = 'DeleteModel("Reading")'
    history(f"SeparateDatabaseAndState([{delete}], [{delete}])")
    edited()
    migrate()
    assert configs() == {}


def test_a_renaming_of_the_model_alone_is_followed_and_so_are_the_marks(
    migrated_database: None, history: History
) -> None:
    key = renamed_before_the_code(history, state_only(TO_PROBE), state_only(TO_READING))
    for name in PartitionLog.objects.filter(config=key).values_list("table_name", flat=True):
        mark = 'pg_timepart {"model": "plant.probe", "from": null, "to": null}'
        execute(f"COMMENT ON TABLE {name} IS '{mark}'")
    migrate()
    assert configs() == {LABEL: (key, 77)}
    assert is_pinned(key)
    Reading.partitioning.detach_partition(Reading.partitioning.latest)
    assert [each.comment and each.comment.label for each in read_commented(connection)] == [LABEL]


def test_a_renaming_in_database_operations_alone_is_the_tables_and_not_the_models(
    migrated_database: None, history: History
) -> None:
    history(f"SeparateDatabaseAndState(database_operations=[{TO_PROBE}])")
    key = edited()
    with code_without(LABEL):
        migrate(fake=True)
    assert configs() == {LABEL: (key, 77)}


def test_a_config_that_new_code_made_too_early_gives_way_to_the_renamed_one(
    migrated_database: None, history: History
) -> None:
    key = renamed_before_the_code(history, TO_PROBE, TO_READING)
    entry = PartitionConfig.objects.get(pk=key).schedule_id
    early = PartitionConfig.objects.create(model_label=LABEL)
    assert maintain(LABEL).outcome == "failed"
    assert PartitionRun.objects.filter(config=early).exists()
    migrate()
    assert configs() == {LABEL: (key, 77)}
    assert is_pinned(key)
    entries = PeriodicTask.objects.filter(args=json.dumps([LABEL]))
    assert [each.pk for each in entries] == [entry]
    assert not PeriodicTask.objects.filter(args=json.dumps(["plant.probe"])).exists()


def test_a_config_that_is_in_use_stays_beside_the_renamed_one_and_migrate_says_so(
    migrated_database: None, history: History, caplog: pytest.LogCaptureFixture
) -> None:
    key = renamed_before_the_code(history, state_only(TO_PROBE), state_only(TO_READING))
    used = PartitionConfig.objects.create(model_label=LABEL)
    PartitionLog.objects.create(config=used, relid=1, table_name="of_another_table")
    with caplog.at_level(logging.WARNING, "pg_timepart"):
        migrate()
    assert configs() == {"plant.probe": (key, 77), LABEL: (used.pk, None)}
    sentence, of_the_run = caplog.messages
    assert "plant.probe" in sentence
    assert LABEL in sentence
    assert "recorded for another config too: plant.probe" in of_the_run


def test_a_pass_of_new_code_follows_a_renaming_of_the_model_alone_before_its_migration(
    migrated_database: None, history: History, caplog: pytest.LogCaptureFixture
) -> None:
    key = renamed_before_the_code(history, state_only(TO_PROBE), state_only(TO_READING))
    maintain(LABEL)
    assert configs() == {LABEL: (key, 77)}
    with caplog.at_level(logging.WARNING, "pg_timepart"):
        migrate()
    assert configs() == {LABEL: (key, 77)}
    assert is_pinned(key)
    assert not caplog.messages


def test_a_renamed_model_whose_table_is_not_partitioned_stops_nothing(
    migrated_database: None, history: History, caplog: pytest.LogCaptureFixture
) -> None:
    key = renamed_before_the_code(history, TO_PROBE, TO_READING)
    execute("DROP TABLE plant_probe")
    execute("CREATE TABLE plant_probe (id bigint, at timestamptz, value int)")
    PartitionConfig.objects.get(model_label="plant.shift").delete()
    with caplog.at_level(logging.WARNING, "pg_timepart"):
        migrate()
    assert configs() == {LABEL: (key, 77)}
    assert caplog.messages == []
    config = PartitionConfig.objects.get(model_label="plant.shift")
    assert Shift.partitioning.latest is not None
    assert PeriodicTask.objects.filter(pk=config.schedule_id).exists()


def test_renamings_are_undone_in_the_order_in_which_their_migrations_are(
    migrated_database: None, history: History
) -> None:
    history(f'{TO_PROBE}, RenameModel("Probe", "Gauge")', 'RenameModel("Gauge", "Dial")')
    key = edited()
    migrate()
    assert configs() == {"plant.dial": (key, 77)}
    migrate("0001")
    assert configs() == {LABEL: (key, 77)}
    assert is_pinned(key)


def test_a_model_that_took_the_name_of_a_renamed_one_gives_it_back(
    migrated_database: None, history: History
) -> None:
    fields = '("id", models.BigAutoField(primary_key=True)), ("at", models.DateTimeField())'
    created = f'CreateModel("Reading", [{fields}], managers=partitioned_by("at"))'
    key = renamed_before_the_code(history, f"{TO_PROBE}, {created}")
    its_own = PartitionConfig.objects.create(model_label=LABEL)
    PartitionLog.objects.create(config=its_own, relid=1, table_name="gone_with_the_table")
    migrate("0001")
    assert configs() == {LABEL: (key, 77)}
    assert is_pinned(key)
