"""The tasks without a worker: arguments, results, queues, and what is tried again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery.exceptions import Reject, SoftTimeLimitExceeded
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.test import override_settings
from django.utils import timezone

from pg_timepart import tasks
from pg_timepart.errors import InvalidPolicy, OperationDeferred, UnknownName
from pg_timepart.maintenance.target import config_of
from pg_timepart.models import PartitionConfig
from pg_timepart.schema.registry import registry
from tests.apps.fleet.models import Ship
from tests.support.admin_client import entry_of
from tests.support.celery_messages import CeleryInMemory
from tests.support.database import Database
from tests.support.other_runs import another_run_on, short_lock_wait
from tests.support.processes import session

SHIP = "fleet.ship"
HOW_TO_SAY_IT_AGAIN = [
    ("maintain", ["fleet.shp"]),
    ("create_partitions", ["fleet.shp"]),
    ("detach_partitions", ["fleet.shp"]),
    ("attach_partitions", ["fleet.shp"]),
    ("set_tablespace", ["fleet.shp", ["x"], "pg_default"]),
    ("drop_partitions", ["fleet.shp", ["x"]]),
    ("reconcile", ["fleet.shp"]),
]


@pytest.fixture
def celery_in_memory(celery_in_memory: CeleryInMemory) -> Iterator[CeleryInMemory]:
    yield celery_in_memory
    connection.close()  # what a test did to it is not for the next one


# What comes back


def test_the_result_of_a_pass_says_what_was_done(database: Database) -> None:
    database.configure(Ship, period="Month", premake=1)
    result = _json(tasks.maintain(SHIP))
    assert set(result) >= {"model", "outcome", "actions"}
    assert (result["model"], result["outcome"]) == (SHIP, "done")
    assert len(result["actions"]) == 2
    for action in result["actions"]:
        assert (action["action"], action["outcome"]) == ("create", "done")
        assert action["partition"] in database.children(Ship)
        assert 0 < action["seconds"] < 60


def test_a_second_pass_changes_nothing(database: Database) -> None:
    tasks.maintain(SHIP)
    before = database.children(Ship)
    result = _json(tasks.maintain(SHIP))
    assert (result["outcome"], result["actions"]) == ("unchanged", [])
    assert database.children(Ship) == before


def test_labels_in_any_case_name_the_model(database: Database) -> None:
    assert tasks.maintain("fleet.Ship")["model"] == SHIP


def test_partitions_are_created_for_days_ahead(database: Database) -> None:
    database.configure(Ship, period="Day")
    tasks.create_partitions(SHIP, 3)
    end = database.logs(Ship)[-1].end
    assert end is not None
    assert end > timezone.now() + timedelta(days=3)


def test_a_range_is_created_from_text(database: Database) -> None:
    database.configure(Ship, period="Day")
    result = _json(
        tasks.create_partitions(SHIP, start="2020-02-28T12:00:00+00:00", end="2020-03-01T00:00Z")
    )
    assert [each["action"] for each in result["actions"]] == ["create", "create"]
    assert database.ranges(Ship) == [("2020-02-28", "2020-02-29"), ("2020-02-29", "2020-03-01")]


@short_lock_wait
@pytest.mark.parametrize("task", ["maintain", "create_partitions"])
def test_an_eager_task_that_gives_way_is_not_tried_again_at_once(
    database: Database, celery_in_memory: CeleryInMemory, task: str
) -> None:
    celery_in_memory.app.conf.task_always_eager = True
    with another_run_on(Ship):
        ended = celery_in_memory.task(task).delay(SHIP)
    assert ended.get()["outcome"] == "deferred"


@override_settings(PARTITION_TIMEZONE="Asia/Tokyo")
def test_text_without_an_offset_is_in_the_zone_of_the_partitions(database: Database) -> None:
    database.configure(Ship, period="Day")
    tasks.create_partitions(SHIP, start="2020-02-28", end="2020-02-29")
    assert database.ranges(Ship) == [("2020-02-27 15:00:00", "2020-02-28 15:00:00")]


def test_a_partition_goes_off_and_on_and_away_by_its_name(database: Database) -> None:
    first, second = database.cover(Ship, "2020-01-01", "2020-02-01", "2020-03-01")
    off = _json(tasks.detach_partitions(SHIP, [first.table_name]))
    assert _actions(off) == [("detach", first.table_name, "done")]
    assert list(database.children(Ship)) == [second.table_name]
    on = _json(tasks.attach_partitions(SHIP, [first.table_name], "2099-01-01T00:00:00+00:00"))
    assert _actions(on) == [("attach", first.table_name, "done")]
    assert database.log(Ship, "2020-01-01").detach_time == datetime(2099, 1, 1, tzinfo=UTC)
    tasks.detach_partitions(SHIP, [first.table_name])
    gone = _json(tasks.drop_partitions(SHIP, [first.table_name]))
    assert _actions(gone) == [("drop", first.table_name, "done")]
    assert not database.exists(first.table_name)


def test_without_names_what_is_past_retention_goes_off_and_all_comes_back(
    database: Database,
) -> None:
    database.configure(Ship, interval=1)
    old = database.cover(Ship, "2020-01-01", "2020-02-01", "2020-03-01")
    off = _json(tasks.detach_partitions(SHIP))
    names = [each.table_name for each in old]
    assert _actions(off) == [("detach", name, "done") for name in names]
    on = _json(tasks.attach_partitions(SHIP))
    assert sorted(_actions(on)) == sorted(("attach", name, "done") for name in names)


def test_a_partition_is_moved(database: Database) -> None:
    (row,) = database.cover(Ship, "2020-01-01", "2020-02-01")
    result = _json(tasks.set_tablespace(SHIP, [row.table_name], "pg_default"))
    assert [each["action"] for each in result["actions"]] == ["move"]
    assert result["outcome"] in {"done", "unchanged"}


def test_reconcile_says_what_it_repaired(database: Database) -> None:
    (row,) = database.cover(Ship, "2020-01-01", "2020-02-01")
    database.execute(f'ALTER TABLE {database.table(Ship)} DETACH PARTITION "{row.table_name}"')
    result = _json(tasks.reconcile(SHIP))
    assert result["outcome"] == "done"
    assert row.table_name in result["repairs"][0]
    assert isinstance(result["schedules"], list)
    assert not database.log(Ship, "2020-01-01").is_attached


def test_a_partition_that_was_made_by_hand_is_known_by_its_name(database: Database) -> None:
    tasks.create_partitions(SHIP)
    database.execute(
        f"CREATE TABLE handmade PARTITION OF {database.table(Ship)}"
        " FOR VALUES FROM ('2001-01-01 00:00+00') TO ('2001-02-01 00:00+00')"
    )
    result = tasks.detach_partitions(SHIP, ["handmade"])
    assert _actions(result) == [("detach", "handmade", "done")]


def test_a_record_says_which_task_worker_and_schedule_did_it(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    celery_in_memory.run(
        "maintain", SHIP, request={"id": "task-1", "periodic_task_name": "Ships, hourly"}
    )
    (run,) = database.runs(Ship)
    assert run.started_by == "beat: Ships, hourly"
    assert (run.worker, run.task_id) == ("worker@here", "task-1")


# What is wrong


@pytest.mark.parametrize(("name", "args"), HOW_TO_SAY_IT_AGAIN)
def test_a_wrong_label_fails_at_once_with_the_known_ones(
    database: Database, celery_in_memory: CeleryInMemory, name: str, args: list[Any]
) -> None:
    with pytest.raises(UnknownName, match=r"'fleet\.shp'.*Known: .*fleet\.ship"):
        celery_in_memory.run(name, *args)
    assert celery_in_memory.sent() == []


@pytest.mark.parametrize("label", [None, 5, ["fleet.ship"], "", "ship"])
def test_what_is_no_label_fails_in_the_same_way(database: Database, label: Any) -> None:
    with pytest.raises(UnknownName, match=r"Known: .*fleet\.ship"):
        tasks.maintain(label)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("detach_partitions", []),
        ("attach_partitions", []),
        ("set_tablespace", ["pg_default"]),
        ("drop_partitions", []),
    ],
)
def test_a_wrong_partition_fails_at_once_with_the_known_ones(
    database: Database, celery_in_memory: CeleryInMemory, name: str, more: list[str]
) -> None:
    (row,) = database.cover(Ship, "2020-01-01", "2020-02-01")
    with pytest.raises(UnknownName, match=f"'nonesuch'.*Known: .*{row.table_name}"):
        celery_in_memory.run(name, SHIP, [row.table_name, "nonesuch"], *more)
    assert list(database.children(Ship)) == [row.table_name]
    assert celery_in_memory.sent() == []


@pytest.mark.parametrize("partitions", ["one", 5, [5], [None], {"a": 1}])
@pytest.mark.parametrize("name", ["detach_partitions", "attach_partitions", "drop_partitions"])
def test_partitions_must_be_a_list_of_names(database: Database, name: str, partitions: Any) -> None:
    with pytest.raises(InvalidPolicy, match="must be a list of table names"):
        getattr(tasks, name)(SHIP, partitions)


@pytest.mark.parametrize("name", ["set_tablespace", "drop_partitions"])
def test_some_partitions_must_be_named(database: Database, name: str) -> None:
    more = ["pg_default"] if name == "set_tablespace" else []
    with pytest.raises(InvalidPolicy, match="must be a list of table names, not None"):
        getattr(tasks, name)(SHIP, None, *more)


@pytest.mark.parametrize("tablespace", ["nowhere", "", 5, None])
def test_a_wrong_tablespace_fails_at_once_with_the_known_ones(
    database: Database, tablespace: Any
) -> None:
    (row,) = database.cover(Ship, "2020-01-01", "2020-02-01")
    with pytest.raises(UnknownName, match=r"no tablespace named.*Known: .*pg_default"):
        tasks.set_tablespace(SHIP, [row.table_name], tablespace)


@pytest.mark.parametrize(
    "arguments",
    [
        {"start": "2020-01-01"},
        {"end": "2020-01-01"},
        {"days": 3, "start": "2020-01-01", "end": "2020-02-01"},
        {"days": -1},
        {"days": "soon"},
        {"days": True},
        {"days": 10**9},
        {"start": "soon", "end": "2020-01-01"},
        {"start": 5, "end": "2020-01-01"},
        {"start": "2020-01-01", "end": "2020-01-01"},
        {"start": "2020-02-01", "end": "2020-01-01"},
    ],
)
def test_a_wrong_range_fails_and_changes_nothing(
    database: Database, celery_in_memory: CeleryInMemory, arguments: dict[str, Any]
) -> None:
    assert _refusal(lambda: celery_in_memory.run("create_partitions", SHIP, **arguments))
    assert database.children(Ship) == {}
    assert celery_in_memory.sent() == []


@pytest.mark.parametrize("moment", ["soon", "2020-13-01", 5])
def test_a_wrong_pin_fails_and_attaches_nothing(database: Database, moment: Any) -> None:
    (row,) = database.cover(Ship, "2020-01-01", "2020-02-01")
    tasks.detach_partitions(SHIP, [row.table_name])
    with pytest.raises(InvalidPolicy, match="is not a moment"):
        tasks.attach_partitions(SHIP, None, moment)
    assert database.children(Ship) == {}


def test_a_config_that_cannot_be_used_ends_failed_and_is_not_tried_again(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    database.configure(Ship, period="Fortnight")
    result = _json(celery_in_memory.run("maintain", SHIP))
    assert result["outcome"] == "failed"
    assert "'Fortnight'" in result["message"]
    assert "Month" in result["message"]
    assert celery_in_memory.sent() == []


def test_what_the_fuse_refuses_ends_failed_and_is_not_tried_again(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    database.configure(Ship, interval=1, max_retire_per_pass=1)
    database.cover(Ship, "2020-01-01", "2020-02-01", "2020-03-01")
    result = _json(celery_in_memory.run("maintain", SHIP))
    assert result["outcome"] == "failed"
    assert "detach" in " ".join(result["problems"])
    assert database.log(Ship, "2020-01-01").is_attached
    assert celery_in_memory.sent() == []


def test_a_table_that_is_gone_ends_failed_and_is_not_tried_again(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    database.execute(f"ALTER TABLE {database.table(Ship)} RENAME TO ship_elsewhere")
    try:
        result = _json(celery_in_memory.run("maintain", SHIP))
    finally:
        database.execute(f"ALTER TABLE ship_elsewhere RENAME TO {database.table(Ship)}")
    assert result["outcome"] == "failed"
    assert "does not exist" in result["message"]
    assert celery_in_memory.sent() == []


def test_a_missing_permission_is_not_tried_again(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    config_of(Ship)
    with _without_rights(database):
        result = _json(celery_in_memory.run("maintain", SHIP))
    assert result["outcome"] == "failed"
    # PostgreSQL 14 lets everybody create tables in public, which are then not theirs to give away.
    assert re.search("permission denied|must be member of role", result["actions"][0]["detail"])
    assert database.children(Ship) == {}
    assert celery_in_memory.sent() == []


def test_errors_survive_the_result_backend(database: Database) -> None:
    with pytest.raises(UnknownName) as caught:
        tasks.maintain("fleet.shp")
    stored = json.loads(json.dumps(caught.value.args))
    assert str(UnknownName(*stored)) == str(caught.value)


# What is tried again


def test_work_asked_for_by_hand_waits_while_another_run_has_the_table(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    with another_run_on(Ship):
        retry = celery_in_memory.retry_of("maintain", SHIP, request={"id": "task-1"})
    assert isinstance(retry.exc, OperationDeferred)
    assert "holds its advisory lock" in str(retry.exc)
    (message,) = celery_in_memory.sent()
    assert (message.task, message.args) == ("pg_timepart.maintain", [SHIP])
    assert (message.headers["id"], message.headers["retries"]) == ("task-1", 1)
    assert message.headers["eta"] is not None


@short_lock_wait
@pytest.mark.parametrize("name", ["create_partitions", "detach_partitions", "reconcile"])
def test_each_operation_by_hand_waits_its_turn(
    database: Database, celery_in_memory: CeleryInMemory, name: str
) -> None:
    database.configure(Ship, interval=1)
    database.cover(Ship, "2020-01-01", "2020-02-01")
    with another_run_on(Ship):
        celery_in_memory.retry_of(name, SHIP, request={"retries": 10_000})
    assert [each.task for each in celery_in_memory.sent()] == [f"pg_timepart.{name}"]


def test_a_scheduled_pass_gives_way_at_once_to_another_run(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    with another_run_on(Ship):
        result = _json(
            celery_in_memory.run("maintain", SHIP, request={"periodic_task_name": "Ships"})
        )
    assert result["outcome"] == "deferred"
    assert "holds its advisory lock" in result["message"]
    assert celery_in_memory.sent() == []
    assert database.runs(Ship)[0].outcome == "deferred"


@short_lock_wait
def test_a_scheduled_pass_that_waits_for_a_lock_is_tried_again_a_few_times(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    database.configure(Ship, interval=1)
    database.cover(Ship, "2020-01-01", "2020-02-01")
    with _somebody_reading(database):
        retry = celery_in_memory.retry_of("maintain", SHIP, request={"periodic_task_name": "Ships"})
        assert "application 'a report'" in str(retry.exc)
        last = _json(
            celery_in_memory.run(
                "maintain", SHIP, request={"periodic_task_name": "Ships", "retries": 5}
            )
        )
    assert last["outcome"] == "deferred"
    (message,) = celery_in_memory.sent()
    assert message.headers["retries"] == 1


@short_lock_wait
def test_a_lock_timeout_by_hand_is_tried_again_for_ever(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    (row,) = database.cover(Ship, "2020-01-01", "2020-02-01")
    with _somebody_reading(database):
        celery_in_memory.retry_of(
            "detach_partitions", SHIP, [row.table_name], request={"retries": 10_000}
        )
    assert [each.args for each in celery_in_memory.sent()] == [[SHIP, [entry_of(row)]]]


def test_retries_come_later_and_later_at_moments_of_their_own(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    def waits(retries: int) -> list[Any]:
        return [
            celery_in_memory.retry_of("maintain", SHIP, request={"retries": retries}).when
            for _ in range(12)
        ]

    with another_run_on(Ship):
        early, late = waits(0), waits(20)
    assert 1 <= min(early) <= max(early) <= 2
    assert max(late) > 60
    assert max(late) <= 600
    assert len(set(late)) > 1


@pytest.mark.parametrize("name", ["maintain", "create_partitions", "reconcile"])
def test_a_lost_connection_is_tried_again_on_a_new_one(
    database: Database, celery_in_memory: CeleryInMemory, name: str
) -> None:
    _terminate(_backend(database))
    retry = celery_in_memory.retry_of(name, SHIP)
    assert isinstance(retry.exc, DatabaseError | InterfaceError)
    connection.close_if_unusable_or_obsolete()
    assert celery_in_memory.run(name, SHIP)["outcome"] in {"done", "unchanged"}


def test_a_connection_lost_in_the_middle_is_tried_again_and_what_was_done_stays(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    database.configure(Ship, period="Month", premake=3)
    pid = _backend(database)
    with connection.execute_wrapper(_Before("CREATE TABLE", 3, lambda: _terminate(pid))):
        celery_in_memory.retry_of("maintain", SHIP, request={"id": "task-1"})
    assert len(database.children(Ship)) == 2
    (run,) = database.runs(Ship)
    assert (run.outcome, run.task_id) == ("failed", "task-1")
    assert [each["outcome"] for each in run.actions] == ["done", "done", "failed"]
    assert len(celery_in_memory.run("maintain", SHIP)["actions"]) == 2
    assert len(database.children(Ship)) == 4


@pytest.mark.parametrize("name", ["maintain", "create_partitions", "dispatch", "maintain_all"])
def test_a_server_that_refuses_connections_is_tried_again(
    database: Database, celery_in_memory: CeleryInMemory, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.close()
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, "PORT", "1")
        args = [] if name in {"dispatch", "maintain_all"} else [SHIP]
        retry = celery_in_memory.retry_of(name, *args)
    assert isinstance(retry.exc, OperationalError)
    connection.close()


def test_a_read_only_server_is_tried_again(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    """As after a failover, when the connection is to what is a standby now."""
    config_of(Ship)
    database.execute("SET default_transaction_read_only = on")
    try:
        retry = celery_in_memory.retry_of("maintain", SHIP)
    finally:
        database.execute("SET default_transaction_read_only = off")
    assert "read-only" in str(retry.exc)
    assert database.children(Ship) == {}


def test_a_task_stays_in_the_queue_while_the_broker_takes_none_that_comes_again(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    nobody_listens = "amqp://127.0.0.1:1//"
    celery_in_memory.app.conf.update(broker_url=nobody_listens, broker_connection_timeout=0.1)
    with another_run_on(Ship), pytest.raises(Reject) as caught:
        celery_in_memory.run("maintain", SHIP)
    rejected: Any = caught.value
    assert rejected.requeue is True


def test_the_schedule_is_known_when_a_scheduled_task_comes_again(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    database.execute("SET default_transaction_read_only = on")
    try:
        headers = {"periodic_task_name": "Ships"}
        celery_in_memory.retry_of("maintain", SHIP, request={"headers": headers, **headers})
    finally:
        database.execute("SET default_transaction_read_only = off")
    (message,) = celery_in_memory.sent()
    assert message.headers["periodic_task_name"] == "Ships"


def test_a_direct_call_raises_instead_of_sending_anything(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    database.execute("SET default_transaction_read_only = on")
    try:
        with pytest.raises(DatabaseError):
            tasks.maintain(SHIP)
    finally:
        database.execute("SET default_transaction_read_only = off")
    with another_run_on(Ship):
        assert tasks.maintain(SHIP)["outcome"] == "deferred"


def test_a_soft_time_limit_ends_deferred_and_the_next_run_finishes(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    database.configure(Ship, period="Month", premake=3)
    with connection.execute_wrapper(_Before("CREATE TABLE", 3, _time_is_up)):
        result = _json(
            celery_in_memory.run(
                "maintain", SHIP, request={"periodic_task_name": "Ships", "retries": 5}
            )
        )
    assert result["outcome"] == "deferred"
    assert "SoftTimeLimitExceeded" in result["message"]
    assert [each["outcome"] for each in result["actions"]] == ["done", "done"]
    assert database.runs(Ship)[0].outcome == "deferred"
    assert celery_in_memory.run("maintain", SHIP)["outcome"] == "done"
    assert len(database.children(Ship)) == 4


# Out of order and twice


def test_dropping_again_what_this_task_dropped_before_it_was_lost(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    (row,) = database.cover(Ship, "2020-01-01", "2020-02-01")
    tasks.detach_partitions(SHIP, [row.table_name])
    tasks.drop_partitions(SHIP, [row.table_name])
    again = {"exchange": "", "routing_key": celery_in_memory.queue, "redelivered": True}
    result = celery_in_memory.run(
        "drop_partitions", SHIP, [row.table_name], request={"delivery_info": again}
    )
    assert result["outcome"] == "unchanged"
    with pytest.raises(UnknownName):
        celery_in_memory.run("drop_partitions", SHIP, [row.table_name])


def test_detaching_and_attaching_twice_changes_nothing_more(database: Database) -> None:
    (row,) = database.cover(Ship, "2020-01-01", "2020-02-01")
    names = [row.table_name]
    for task in (tasks.detach_partitions, tasks.attach_partitions):
        assert task(SHIP, names)["outcome"] == "done"
        assert task(SHIP, names)["outcome"] == "unchanged"


def test_an_attached_partition_is_not_dropped(database: Database) -> None:
    (row,) = database.cover(Ship, "2020-01-01", "2020-02-01")
    result = _json(tasks.drop_partitions(SHIP, [row.table_name]))
    assert result["outcome"] == "failed"
    assert list(database.children(Ship)) == [row.table_name]


# Who gets what


def test_a_scheduled_pass_of_a_disabled_config_changes_nothing(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    database.configure(Ship, enabled=False)
    result = _json(celery_in_memory.run("maintain", SHIP, request={"periodic_task_name": "Ships"}))
    assert (result["outcome"], result["message"]) == ("unchanged", "The config is disabled.")
    assert database.children(Ship) == {}
    assert celery_in_memory.run("maintain", SHIP)["outcome"] == "done"


def _make_every_config() -> None:
    """Have what migrate makes, whatever the tests before left."""
    for model in registry():
        config_of(model)


def test_maintain_all_sends_one_task_per_enabled_config(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    _make_every_config()
    database.configure(Ship, enabled=False)
    result = _json(celery_in_memory.run("maintain_all"))
    messages = celery_in_memory.sent()
    enabled = {each._meta.label_lower for each in registry()} - {SHIP}
    assert result == {"outcome": "done", "sent": result["sent"]}
    assert sorted(result["sent"]) == sorted(enabled)
    assert [each.args for each in messages] == [[label] for label in result["sent"]]
    assert {each.task for each in messages} == {"pg_timepart.maintain"}
    assert "periodic_task_name" not in messages[0].headers


def test_what_a_scheduled_maintain_all_sends_is_scheduled_too(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    celery_in_memory.run("maintain_all", request={"periodic_task_name": "Everything"})
    assert {each.headers["periodic_task_name"] for each in celery_in_memory.sent()} == {
        "Everything"
    }


def test_the_dispatcher_sends_what_is_due(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    config_of(Ship)
    PartitionConfig.objects.update(last_checked_at=timezone.now())
    assert _json(celery_in_memory.run("dispatch", request={"periodic_task_name": "Due"})) == {
        "outcome": "unchanged",
        "sent": [],
    }
    PartitionConfig.objects.filter(model_label=SHIP).update(last_checked_at=None)
    assert celery_in_memory.run("dispatch", request={"periodic_task_name": "Due"})["sent"] == [SHIP]
    (message,) = celery_in_memory.sent()
    assert (message.args, message.headers["periodic_task_name"]) == ([SHIP], "Due")


def test_a_config_without_its_model_stops_no_dispatch(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    PartitionConfig.objects.create(model_label="made.gone")
    try:
        assert "made.gone" not in celery_in_memory.run("dispatch")["sent"]
        assert "made.gone" not in celery_in_memory.run("maintain_all")["sent"]
    finally:
        PartitionConfig.objects.filter(model_label="made.gone").delete()


def test_tasks_go_to_the_queue_of_the_settings_unless_another_is_named(
    celery_in_memory: CeleryInMemory,
) -> None:
    with override_settings(PG_TIMEPART={"QUEUE": f"{celery_in_memory.queue}-own"}):
        celery_in_memory.task("maintain").delay(SHIP)
        celery_in_memory.task("maintain").apply_async(
            (SHIP,), queue=f"{celery_in_memory.queue}-named"
        )
    celery_in_memory.task("maintain").delay(SHIP)
    for queue in (
        celery_in_memory.queue,
        f"{celery_in_memory.queue}-own",
        f"{celery_in_memory.queue}-named",
    ):
        assert [each.args for each in celery_in_memory.sent(queue)] == [[SHIP]]


def test_a_retry_stays_on_the_queue_it_came_from(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    named = f"{celery_in_memory.queue}-named"
    delivery = {"exchange": "", "routing_key": named}
    with (
        override_settings(PG_TIMEPART={"QUEUE": f"{celery_in_memory.queue}-own"}),
        another_run_on(Ship),
    ):
        celery_in_memory.retry_of("maintain", SHIP, request={"delivery_info": delivery})
    assert len(celery_in_memory.sent(named)) == 1


@pytest.mark.parametrize(
    "name",
    [
        "maintain",
        "maintain_all",
        "dispatch",
        "create_partitions",
        "detach_partitions",
        "attach_partitions",
        "set_tablespace",
        "drop_partitions",
        "reconcile",
    ],
)
def test_every_task_survives_its_worker(celery_in_memory: CeleryInMemory, name: str) -> None:
    task = celery_in_memory.task(name)
    assert task.acks_late
    assert task.reject_on_worker_lost
    assert task.max_retries is None


def test_a_wrong_number_of_arguments_is_refused_when_it_is_sent(
    celery_in_memory: CeleryInMemory,
) -> None:
    with pytest.raises(TypeError):
        celery_in_memory.task("maintain").delay()
    with pytest.raises(TypeError):
        celery_in_memory.task("set_tablespace").delay(SHIP, ["x"])
    assert celery_in_memory.sent() == []


class _Before:
    """Does something right before the n-th statement that begins so."""

    def __init__(self, beginning: str, number: int, deed: Callable[[], Any]) -> None:
        self._beginning, self._left, self._deed = beginning, number, deed

    def __call__(self, execute: Any, statement: str, *rest: Any) -> Any:
        if str(statement).startswith(self._beginning):
            self._left -= 1
            if self._left == 0:
                self._deed()
        return execute(statement, *rest)


def _time_is_up() -> None:
    raise SoftTimeLimitExceeded


def _terminate(pid: int) -> None:
    with session("killer") as killer:
        killer.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def _refusal(call: Callable[[], Any]) -> str:
    """Return why the call was refused, at once or when it was planned."""
    try:
        result = _json(call())
    except InvalidPolicy as error:
        return str(error)
    assert result["outcome"] == "failed"
    return str(result["message"])


def _json(result: Any) -> Any:
    """Return what comes out of the result backend."""
    assert json.loads(json.dumps(result)) == result
    return result


def _actions(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(each["action"], each["partition"], each["outcome"]) for each in result["actions"]]


@contextmanager
def _somebody_reading(database: Database) -> Iterator[None]:
    """A report that has been open for longer than anybody would queue behind."""
    with session("a report") as report:
        report.execute("BEGIN")
        report.execute(f"SELECT count(*) FROM {database.table(Ship)}")
        report.execute("SELECT pg_sleep(0.3)")
        yield
        report.execute("COMMIT")


@contextmanager
def _without_rights(database: Database) -> Iterator[None]:
    database.execute("CREATE ROLE deckhand")
    database.execute(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO deckhand"
    )
    database.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO deckhand")
    database.execute("SET ROLE deckhand")
    try:
        yield
    finally:
        database.execute("RESET ROLE")
        database.execute("DROP OWNED BY deckhand")
        database.execute("DROP ROLE deckhand")


def _backend(database: Database) -> int:
    pid: int = database.one("SELECT pg_backend_pid()")
    return pid
