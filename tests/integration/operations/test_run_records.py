"""Records of runs: what happened, by whom, how long it took, and for how long it is kept."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import transaction
from django.utils import timezone

from pg_timepart.constants import Outcome
from pg_timepart.errors import OperationFailed
from pg_timepart.maintenance.history import Origin, prune, record
from pg_timepart.maintenance.maintain import maintain
from pg_timepart.maintenance.report import Report
from pg_timepart.models import PartitionConfig, PartitionLog, PartitionRun
from tests.apps.fleet.models import Ship
from tests.support.database import Database, at, queries_of_an_idle_pass

if TYPE_CHECKING:
    from pytest_django import Settings

MAY = at("2024-05-15 10:30")


def test_a_run_that_did_something_is_recorded(database: Database) -> None:
    begun = timezone.now()
    maintain("fleet.ship", now=MAY)
    (run,) = database.runs(Ship)
    assert (run.operation, run.outcome, run.message) == ("maintain", "done", "")
    assert run.config == Ship.partitioning.config
    assert run.started_by == "python"
    assert run.worker == f"{socket.gethostname()}:{os.getpid()}"
    assert 0 < run.seconds < (timezone.now() - begun).total_seconds() + 1
    assert run.waited_seconds >= 0


def test_what_it_did_is_recorded_with_the_sql(database: Database) -> None:
    maintain("fleet.ship", now=MAY)
    first = database.runs(Ship)[0].actions[0]
    assert (first["action"], first["partition"], first["outcome"]) == (
        "create",
        "fleet_ship_20240501_20240601",
        "done",
    )
    assert first["seconds"] > 0
    assert first["detail"] == "room ahead"
    assert first["statements"][0].startswith(
        'CREATE TABLE "public"."fleet_ship_20240501_20240601" (LIKE "public"."fleet_ship"'
    )
    assert first["statements"][-1].endswith(
        "FOR VALUES FROM ('2024-05-01 00:00:00+00:00') TO ('2024-06-01 00:00:00+00:00')"
    )


def test_who_started_it_is_recorded(database: Database) -> None:
    maintain(
        "fleet.ship", now=MAY, origin=Origin(started_by="beat", worker="celery@a", task_id="x-1")
    )
    (run,) = database.runs(Ship)
    assert (run.started_by, run.worker, run.task_id) == ("beat", "celery@a", "x-1")


def test_a_pass_with_nothing_to_do_only_says_when_it_looked(database: Database) -> None:
    maintain("fleet.ship", now=MAY)
    before = database.runs(Ship)
    later = MAY + timedelta(hours=1)
    maintain("fleet.ship", now=later)
    assert database.runs(Ship) == before
    config = Ship.partitioning.config
    assert config.last_checked_at is not None
    assert config.last_run_at is not None
    assert config.last_checked_at > config.last_run_at
    assert config.last_outcome == "done"


def test_a_failure_is_recorded_with_its_reason(database: Database) -> None:
    database.configure(Ship, attach_tablespace="nowhere")
    maintain("fleet.ship", now=MAY)
    (run,) = database.runs(Ship)
    assert run.outcome == "failed"
    assert "There is no tablespace named 'nowhere'" in run.actions[0]["detail"]
    config = Ship.partitioning.config
    assert config.last_outcome == "failed"
    assert "nowhere" in config.last_message


def test_after_a_failure_a_good_run_clears_the_message(database: Database) -> None:
    database.configure(Ship, attach_tablespace="nowhere")
    maintain("fleet.ship", now=MAY)
    database.configure(Ship, attach_tablespace="")
    maintain("fleet.ship", now=MAY)
    config = Ship.partitioning.config
    assert (config.last_outcome, config.last_message) == ("done", "")


def test_work_by_hand_is_recorded_too_also_when_it_fails(database: Database) -> None:
    database.cover(Ship, "2024-01-01", "2024-02-01")
    with pytest.raises(OperationFailed):
        database.log(Ship, "2024-01-01").delete()
    database.log(Ship, "2024-01-01").detach()
    found = [(run.operation, run.outcome) for run in database.runs(Ship)]
    assert found == [("detach", "done"), ("drop", "failed"), ("create", "done")]


def test_repairs_are_recorded(database: Database) -> None:
    database.cover(Ship, "2024-05-01", "2024-08-01")
    database.execute("ALTER TABLE fleet_ship DETACH PARTITION fleet_ship_20240501_20240601")
    database.execute("DROP TABLE fleet_ship_20240501_20240601")
    database.execute(
        "CREATE TABLE theirs PARTITION OF fleet_ship"
        " FOR VALUES FROM ('2024-05-01 00:00+00') TO ('2024-06-01 00:00+00')"
    )
    maintain("fleet.ship", now=MAY)
    run = database.runs(Ship)[0]
    assert run.outcome == "done"
    assert "theirs is recorded." in run.message
    assert "fleet_ship_20240501_20240601 does not exist any more." in run.message


def test_old_records_are_pruned_by_the_next_one(database: Database, settings: Settings) -> None:
    settings.PG_TIMEPART = {"HISTORY_DAYS": 30}
    database.configure(Ship)
    now = timezone.now()
    for days in (29, 31, 400):
        PartitionRun.objects.create(
            model_label="fleet.ship",
            operation="maintain",
            outcome="done",
            started_at=now - timedelta(days=days),
            seconds=1,
        )
    Ship.partitioning.create_partition(0)
    assert len(database.runs(Ship)) == 2
    assert all(run.started_at > now - timedelta(days=30) for run in database.runs(Ship))


def test_pruning_says_how_many(database: Database) -> None:
    PartitionRun.objects.create(
        model_label="fleet.ship",
        operation="maintain",
        outcome="done",
        started_at=at("1999-01-01"),
        seconds=1,
    )
    assert prune("default", at("1999-03-01")) == 0
    assert prune("default", at("1999-06-01")) == 1


def test_a_servers_clock_that_jumped_ahead_prunes_nothing(database: Database) -> None:
    """What is taken away must be due by this host's clock too."""
    Ship.partitioning.create_partition(0)
    report = Report(label="fleet.ship", operation="maintain", outcome=Outcome.DONE)
    ahead = timezone.now() + timedelta(days=500)
    record(report, Ship.partitioning.config, Origin(), started_at=ahead, seconds=1)
    assert [run.operation for run in database.runs(Ship)] == ["maintain", "create"]


def test_a_rehearsal_for_another_time_prunes_nothing_of_today(database: Database) -> None:
    Ship.partitioning.create_partition(0)
    maintain("fleet.ship", now=timezone.now() + timedelta(days=500))
    assert [run.operation for run in database.runs(Ship)] == ["maintain", "create"]


def test_records_outlive_the_config(database: Database) -> None:
    maintain("fleet.ship", now=MAY)
    PartitionConfig.objects.filter(model_label="fleet.ship").delete()
    (run,) = database.runs(Ship)
    assert (run.config, run.model_label) == (None, "fleet.ship")


def test_inside_a_transaction_the_record_goes_with_it(database: Database) -> None:
    database.configure(Ship)
    with transaction.atomic():
        Ship.partitioning.create_partition(0)
        transaction.set_rollback(True)
    assert database.runs(Ship) == []


def test_an_edit_that_an_operator_saves_meanwhile_is_not_overwritten(database: Database) -> None:
    stale = Ship.partitioning.config
    database.configure(Ship, premake=5)
    assert stale.premake == 2
    from pg_timepart.maintenance.maintain import provision
    from pg_timepart.maintenance.target import target_of

    provision(target_of(Ship, config=stale))
    assert Ship.partitioning.config.premake == 5


# Speed


def test_an_idle_pass_is_four_queries(database: Database) -> None:
    queries = queries_of_an_idle_pass(database, MAY)
    assert len(queries) <= 4, queries


def test_an_idle_pass_costs_no_more_with_many_partitions_and_detached_ones(
    database: Database,
) -> None:
    database.cover(Ship, "2020-01-01", "2024-08-01")
    database.log(Ship, "2020-01-01").detach()
    database.log(Ship, "2020-02-01").detach()
    queries = queries_of_an_idle_pass(database, MAY)
    assert len([each for each in queries if "pg_inherits" in each]) == 1
    assert len(queries) <= 4, queries
    assert len(PartitionLog.objects.filter(config__model_label="fleet.ship")) == 55
