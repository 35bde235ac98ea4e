"""Tasks that name a partition which has no row yet, while another run has the table."""

from __future__ import annotations

from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core.management import CommandError, call_command
from django.db import connection

from pg_timepart import tasks
from pg_timepart.errors import OperationDeferred, OperationFailed, UnknownName
from pg_timepart.maintenance.lookup import logs_named
from pg_timepart.maintenance.target import target_of
from pg_timepart.models import PartitionConfig, PartitionLog
from tests.apps.fleet.models import Ship
from tests.support.celery_messages import CeleryInMemory
from tests.support.database import Database
from tests.support.other_runs import another_run_on, short_lock_wait

SHIP = "fleet.ship"
BYHAND = "ship_by_hand"
ARGUMENTS: dict[str, list[Any]] = {
    "detach_partitions": [SHIP, [BYHAND]],
    "attach_partitions": [SHIP, [BYHAND]],
    "set_tablespace": [SHIP, [BYHAND], "pg_default"],
    "drop_partitions": [SHIP, [BYHAND]],
}


@pytest.fixture
def by_hand(database: Database) -> Database:
    """A partition of ships that was made in SQL, of which no row tells."""
    database.configure(Ship)
    database.execute(
        f"CREATE TABLE {BYHAND} PARTITION OF fleet_ship"
        " FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2020-02-01 00:00+00')"
    )
    return database


@short_lock_wait
@pytest.mark.parametrize("name", ARGUMENTS)
def test_it_is_sent_again_until_the_other_run_has_ended(
    by_hand: Database, celery_in_memory: CeleryInMemory, name: str
) -> None:
    with another_run_on(Ship):
        retry = celery_in_memory.retry_of(name, *ARGUMENTS[name], request={"retries": 10_000})
    assert "holds its advisory lock" in str(retry.exc)
    (message,) = celery_in_memory.sent()
    assert (message.task, message.args) == (f"pg_timepart.{name}", ARGUMENTS[name])
    result = celery_in_memory.run(name, *ARGUMENTS[name], request={"retries": 1})
    if name == "drop_partitions":
        assert f"{BYHAND} is attached" in str(result)
    else:
        assert result["outcome"] in {"done", "unchanged"}


@short_lock_wait
def test_what_comes_again_to_drop_is_not_taken_for_dropped(
    by_hand: Database, celery_in_memory: CeleryInMemory
) -> None:
    """It has no row; that it is gone is known only from the catalog, once nobody is at it."""
    again = {"exchange": "", "routing_key": celery_in_memory.queue, "redelivered": True}
    with another_run_on(Ship):
        celery_in_memory.retry_of(
            "drop_partitions", SHIP, [BYHAND], request={"delivery_info": again}
        )
    assert len(celery_in_memory.sent()) == 1
    by_hand.execute(f"DROP TABLE {BYHAND}")
    result = celery_in_memory.run("drop_partitions", SHIP, [BYHAND], request={"retries": 1})
    assert result["outcome"] == "unchanged"


def test_what_comes_again_to_drop_is_dropped_also_where_its_row_was_lost(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    (row,) = database.cover(Ship, "2020-01-01", "2020-02-01")
    row.detach()
    PartitionLog.objects.filter(pk=row.pk).delete()
    result = celery_in_memory.run("drop_partitions", SHIP, [row.table_name], request={"retries": 1})
    assert [each["action"] for each in result["actions"]] == ["drop"]
    assert not database.exists(row.table_name)


@short_lock_wait
def test_the_reason_is_told_to_who_calls_directly_and_at_the_command_line(
    by_hand: Database,
) -> None:
    with another_run_on(Ship):
        result = tasks.detach_partitions(SHIP, [BYHAND])
        assert result["outcome"] == "deferred"
        assert "holds its advisory lock" in result["message"]
        with pytest.raises(OperationDeferred, match="holds its advisory lock"):
            logs_named(target_of(Ship), [BYHAND])
        with pytest.raises(CommandError, match="holds its advisory lock"):
            call_command("timepart", "detach", SHIP, "--partition", BYHAND)
    assert BYHAND in by_hand.children(Ship)


def test_the_reason_is_told_where_no_row_can_be_made(by_hand: Database) -> None:
    PartitionConfig.objects.filter(model_label=SHIP).update(period="Fortnight")
    with pytest.raises(OperationFailed, match="Fortnight"):
        logs_named(target_of(Ship), [BYHAND])


def test_a_name_that_is_no_partition_is_still_unknown(
    by_hand: Database, celery_in_memory: CeleryInMemory
) -> None:
    with pytest.raises(UnknownName):
        celery_in_memory.run("detach_partitions", SHIP, [f"{BYHAND}_2"])
    assert celery_in_memory.sent() == []


def test_who_sent_the_task_is_recorded_of_the_row_that_is_made_for_it(
    by_hand: Database, celery_in_memory: CeleryInMemory
) -> None:
    celery_in_memory.run("detach_partitions", SHIP, [BYHAND], request={"id": "task-7"})
    found = [(run.operation, run.task_id) for run in by_hand.runs(Ship)]
    assert found == [("detach", "task-7"), ("reconcile", "task-7")]


def test_a_soft_time_limit_while_the_row_is_made_sends_it_again(
    by_hand: Database, celery_in_memory: CeleryInMemory
) -> None:
    def time_is_up(execute: Any, statement: str, *rest: Any) -> Any:
        if str(statement).startswith("INSERT INTO") and "partitionlog" in str(statement):
            raise SoftTimeLimitExceeded
        return execute(statement, *rest)

    with connection.execute_wrapper(time_is_up):
        celery_in_memory.retry_of("detach_partitions", SHIP, [BYHAND])
    assert [each.args for each in celery_in_memory.sent()] == [[SHIP, [BYHAND]]]
