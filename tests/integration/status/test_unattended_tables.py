"""A decorator that is removed or lost is reported everywhere, and with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from deploy.health import ask_database
from pg_timepart import tasks
from pg_timepart.errors import UnknownName
from pg_timepart.models import PartitionConfig, PartitionRun
from pg_timepart.schema.registry import decorated_classes, only_decorated
from pg_timepart.status import statuses
from tests.apps.plant.models import Reading
from tests.support.admin_client import page_of, signed_in
from tests.support.command_line import CommandResult, timepart
from tests.support.later_migrations import code_without

ALL = ("plant.measurement", "plant.reading", "plant.shift")
LABEL = "plant.reading"


@pytest.fixture
def lost(migrated_database: None) -> Iterator[PartitionConfig]:
    """The readings' decorator is gone from the code; their config, entry and table are there."""
    config = Reading.partitioning.config
    with only_plant(), code_without(LABEL):
        yield config


def only_plant() -> Any:
    """The other test applications are not migrated in this database."""
    return only_decorated(
        *(each for each in decorated_classes() if each._meta.app_label == "plant")
    )


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for each in statements:
            cursor.execute(each)


def partitions() -> list[str]:
    return list(
        PartitionConfig.objects.get(model_label=LABEL).logs.values_list("table_name", flat=True)
    )


def uncomment(names: list[str]) -> None:
    execute(*(f"COMMENT ON TABLE {name} IS NULL" for name in names))


def of_readings(ended: CommandResult) -> str:
    """Return what a command says of the readings alone."""
    blocks = [each for each in ended.out.split("\n\n") if LABEL in each]
    assert len(blocks) == 1, ended.out
    return blocks[0]


def test_status_names_the_model_its_table_and_what_to_do(lost: PartitionConfig) -> None:
    ended = timepart("status")
    assert ended.status == 1
    assert f"1 of 3 need attention: {LABEL} (warning)." in ended.error
    said = of_readings(ended)
    assert f"No partitioned model {LABEL} is installed, so nothing maintains its table." in said
    assert "public.plant_reading has room until 20" in said
    assert f"Beat sends tasks that fail: pg_timepart: maintain {LABEL}." in said
    assert "Put the decorator back" in said
    assert "delete its config in the admin and remove the comments" in said
    (told,) = [each for each in timepart("status", "--json").json if each["model"] == LABEL]
    assert (told["table"], told["health"]) == ("public.plant_reading", "warning")
    assert told["runs_out_at"]


def test_so_it_is_where_no_model_is_decorated_any_more(lost: PartitionConfig) -> None:
    with code_without(*ALL):
        ended = timepart("status")
    assert ended.status == 1
    assert all(f"No partitioned model {label} is installed," in ended.out for label in ALL)
    assert "No model is partitioned." not in ended.out


@pytest.mark.parametrize("word", ["maintain", "reconcile", "plan"])
def test_a_command_for_all_models_does_not_end_well(lost: PartitionConfig, word: str) -> None:
    ended = timepart(word)
    assert ended.status == 1
    assert (
        f"No partitioned model {LABEL} is installed, so nothing maintains its table." in ended.out
    )
    assert LABEL in ended.error
    assert timepart(word, "plant.shift").status == 0


def test_it_is_critical_once_rows_are_refused(lost: PartitionConfig) -> None:
    execute(*(f"DROP TABLE {name}" for name in partitions()[-2:]))
    uncovered = timepart("status")
    assert "Every INSERT of a new row into public.plant_reading fails." in of_readings(uncovered)
    assert f"{LABEL} (critical)" in uncovered.error


def test_w015_checks_of_the_database_warn(lost: PartitionConfig, capsys: Any) -> None:
    call_command("check", databases=["default"])
    said = capsys.readouterr().err
    assert said.count("pg_timepart.W015") == 1
    assert f"No partitioned model {LABEL} is installed, so nothing maintains its table." in said


def test_health_says_so(lost: PartitionConfig) -> None:
    said = [each for each in ask_database().problems if each.startswith(LABEL)]
    assert len(said) == 1
    assert "Put the decorator back" in said[0]


def test_the_admin_says_so_in_the_list_and_on_the_page(lost: PartitionConfig) -> None:
    call_command("migrate", verbosity=0)
    client = signed_in("view_partitionconfig", "change_partitionconfig")
    for address in (reverse("admin:pg_timepart_partitionconfig_changelist"), page_of(lost)):
        assert "public.plant_reading has room" in client.get(address).text
    PartitionConfig.objects.filter(pk=lost.pk).delete()
    listed = client.get(reverse("admin:pg_timepart_partitionconfig_changelist")).text
    assert f"No partitioned model {LABEL} is installed, so nothing maintains its table." in listed


def beat_sends(label: str) -> dict[str, Any]:
    """Run the task as beat sends it, and return its result."""
    task = tasks.maintain
    task.push_request(args=(label,), periodic_task_name="Readings", called_directly=False)
    try:
        result: dict[str, Any] = task.run(label)
    finally:
        task.pop_request()
    return result


def test_what_beat_sends_for_it_is_recorded(lost: PartitionConfig) -> None:
    result = beat_sends(LABEL)
    assert result["outcome"] == "failed"
    run = PartitionRun.objects.filter(config=lost)[0]
    assert (run.operation, run.outcome, run.started_by) == ("maintain", "failed", "beat: Readings")
    assert "Put the decorator back" in run.message
    lost.refresh_from_db()
    assert lost.last_outcome == "failed"


def test_also_where_there_is_no_config(lost: PartitionConfig) -> None:
    PartitionConfig.objects.filter(pk=lost.pk).delete()
    assert beat_sends("gone.model")["outcome"] == "failed"
    run = PartitionRun.objects.get(model_label="gone.model")
    assert (run.config, run.outcome) == (None, "failed")
    with pytest.raises(UnknownName):
        tasks.maintain("gone.model")


def test_an_entry_alone_is_reported(lost: PartitionConfig) -> None:
    entry = PeriodicTask.objects.get(pk=lost.schedule_id)
    entry.pk, entry.name, entry.args = None, "By hand", '["gone.model"]'
    entry.save(force_insert=True)
    ended = timepart("status")
    assert ended.status == 1
    assert "gone.model is installed, so nothing maintains its table." in ended.out
    assert "its table. Beat sends tasks that fail: By hand." in ended.out
    assert "delete these entries of beat" in ended.out


def test_a_table_alone_is_reported_until_nothing_says_that_it_is_ours(
    lost: PartitionConfig,
) -> None:
    names = partitions()
    PartitionConfig.objects.filter(pk=lost.pk).delete()
    ended = timepart("status")
    assert ended.status == 1
    assert "public.plant_reading has room" in of_readings(ended)
    uncomment(names)
    assert timepart("status").status == 0
    with code_without(*ALL):
        PartitionConfig.objects.all().delete()
        for label in ALL:
            table = label.replace(".", "_")
            execute(f"DROP TABLE {table}")
        assert timepart("status").out == "No model is partitioned.\n"


def test_what_is_elsewhere_or_anothers_is_not_reported(lost: PartitionConfig) -> None:
    names = partitions()
    PartitionConfig.objects.filter(pk=lost.pk).delete()
    execute("CREATE SCHEMA theirs", "ALTER TABLE plant_reading SET SCHEMA theirs")
    assert timepart("status").status == 0
    execute(
        "ALTER TABLE theirs.plant_reading SET SCHEMA public",
        "CREATE ROLE somebody_else",
        "ALTER TABLE plant_reading OWNER TO somebody_else",
        "CREATE ROLE passer_by",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO passer_by",
    )
    try:
        execute("SET ROLE passer_by")
        labels = [each.label for each in statuses()]
        execute("RESET ROLE")
        assert LABEL not in labels
        assert LABEL in [each.label for each in statuses()]
    finally:
        execute(
            "RESET ROLE",
            "ALTER TABLE plant_reading OWNER TO CURRENT_USER",
            "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM passer_by",
            "DROP ROLE somebody_else",
            "DROP ROLE passer_by",
        )
    assert names


def test_it_takes_a_constant_number_of_queries(lost: PartitionConfig) -> None:
    with CaptureQueriesContext(connection) as one:
        statuses()
    with code_without("plant.measurement"), CaptureQueriesContext(connection) as two:
        statuses()
    assert len(two) == len(one)
