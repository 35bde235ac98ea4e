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
from tests.support.celery_messages import Post
from tests.support.database import Yard
from tests.support.other_runs import another_run_on, impatient

pytest_plugins = ("tests.support.database_fixtures",)

SHIP = "fleet.ship"
BYHAND = "ship_by_hand"
ARGUMENTS: dict[str, list[Any]] = {
    "detach_partitions": [SHIP, [BYHAND]],
    "attach_partitions": [SHIP, [BYHAND]],
    "set_tablespace": [SHIP, [BYHAND], "pg_default"],
    "drop_partitions": [SHIP, [BYHAND]],
}


@pytest.fixture
def by_hand(yard: Yard) -> Yard:
    """A partition of ships that was made in SQL, of which no row tells."""
    yard.configure(Ship)
    yard.execute(
        f"CREATE TABLE {BYHAND} PARTITION OF fleet_ship"
        " FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2020-02-01 00:00+00')"
    )
    return yard


@impatient
@pytest.mark.parametrize("name", ARGUMENTS)
def test_it_is_sent_again_until_the_other_run_has_ended(
    by_hand: Yard, post: Post, name: str
) -> None:
    with another_run_on(Ship):
        retry = post.retry_of(name, *ARGUMENTS[name], request={"retries": 10_000})
    assert "holds its advisory lock" in str(retry.exc)
    (message,) = post.sent()
    assert (message.task, message.args) == (f"pg_timepart.{name}", ARGUMENTS[name])
    result = post.run(name, *ARGUMENTS[name], request={"retries": 1})
    if name == "drop_partitions":
        assert f"{BYHAND} is attached" in str(result)
    else:
        assert result["outcome"] in {"done", "unchanged"}


@impatient
def test_what_comes_again_to_drop_is_not_taken_for_dropped(by_hand: Yard, post: Post) -> None:
    """It has no row; that it is gone is known only from the catalog, once nobody is at it."""
    again = {"exchange": "", "routing_key": post.queue, "redelivered": True}
    with another_run_on(Ship):
        post.retry_of("drop_partitions", SHIP, [BYHAND], request={"delivery_info": again})
    assert len(post.sent()) == 1
    by_hand.execute(f"DROP TABLE {BYHAND}")
    result = post.run("drop_partitions", SHIP, [BYHAND], request={"retries": 1})
    assert result["outcome"] == "unchanged"


def test_what_comes_again_to_drop_is_dropped_also_where_its_row_was_lost(
    yard: Yard, post: Post
) -> None:
    (row,) = yard.cover(Ship, "2020-01-01", "2020-02-01")
    row.detach()
    PartitionLog.objects.filter(pk=row.pk).delete()
    result = post.run("drop_partitions", SHIP, [row.table_name], request={"retries": 1})
    assert [each["action"] for each in result["actions"]] == ["drop"]
    assert not yard.exists(row.table_name)


@impatient
def test_the_reason_is_told_to_who_calls_directly_and_at_the_command_line(by_hand: Yard) -> None:
    with another_run_on(Ship):
        result = tasks.detach_partitions(SHIP, [BYHAND])
        assert result["outcome"] == "deferred"
        assert "holds its advisory lock" in result["message"]
        with pytest.raises(OperationDeferred, match="holds its advisory lock"):
            logs_named(target_of(Ship), [BYHAND])
        with pytest.raises(CommandError, match="holds its advisory lock"):
            call_command("timepart", "detach", SHIP, "--partition", BYHAND)
    assert BYHAND in by_hand.children(Ship)


def test_the_reason_is_told_where_no_row_can_be_made(by_hand: Yard) -> None:
    PartitionConfig.objects.filter(model_label=SHIP).update(period="Fortnight")
    with pytest.raises(OperationFailed, match="Fortnight"):
        logs_named(target_of(Ship), [BYHAND])


def test_a_name_that_is_no_partition_is_still_unknown(by_hand: Yard, post: Post) -> None:
    with pytest.raises(UnknownName):
        post.run("detach_partitions", SHIP, [f"{BYHAND}_2"])
    assert post.sent() == []


def test_who_sent_the_task_is_recorded_of_the_row_that_is_made_for_it(
    by_hand: Yard, post: Post
) -> None:
    post.run("detach_partitions", SHIP, [BYHAND], request={"id": "task-7"})
    found = [(run.operation, run.task_id) for run in by_hand.runs(Ship)]
    assert found == [("detach", "task-7"), ("reconcile", "task-7")]


def test_a_soft_time_limit_while_the_row_is_made_sends_it_again(by_hand: Yard, post: Post) -> None:
    def time_is_up(execute: Any, statement: str, *rest: Any) -> Any:
        if str(statement).startswith("INSERT INTO") and "partitionlog" in str(statement):
            raise SoftTimeLimitExceeded
        return execute(statement, *rest)

    with connection.execute_wrapper(time_is_up):
        post.retry_of("detach_partitions", SHIP, [BYHAND])
    assert [each.args for each in post.sent()] == [[SHIP, [BYHAND]]]
