"""A table that was made anew under a name is not the one that was shown, asked for or detached."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from pg_timepart.errors import InvalidPolicy, OperationDeferred, Refused, UnknownName
from pg_timepart.maintenance.maintain import maintain
from pg_timepart.maintenance.reconcile import reconcile
from pg_timepart.models import PartitionLog
from tests.apps.fleet.models import Ship
from tests.integration.cli.test_drop import answer
from tests.support.admin_client import entry_of
from tests.support.celery_messages import CeleryInMemory
from tests.support.database import Database
from tests.support.other_runs import another_run_on, short_lock_wait
from tests.support.processes import die_at, interrupted_at, session

SHIP = "fleet.ship"
DEEDS: dict[str, Callable[[PartitionLog], Any]] = {
    "drop": PartitionLog.delete,
    "move": lambda row: row.set_tablespace("pg_default"),
    "attach": PartitionLog.attach,
    "truncate": PartitionLog.truncate,
}
LONG_AGO = datetime(2020, 6, 1, tzinfo=UTC)


@pytest.fixture
def row(database: Database) -> PartitionLog:
    """A partition that was detached long ago, and is kept for three days."""
    (row,) = database.cover(Ship, "2020-01-01", "2020-02-01")
    row.detach()
    database.configure(Ship, drop_after=timedelta(days=3))
    PartitionLog.objects.filter(pk=row.pk).update(detached_at=LONG_AGO)
    row.refresh_from_db()
    return row


def test_its_grace_begins_anew_and_its_pin_stays(database: Database, row: PartitionLog) -> None:
    pin = datetime(2099, 1, 1, tzinfo=UTC)
    PartitionLog.objects.filter(pk=row.pk).update(detach_time=pin)
    begun = timezone.now()
    oid = database.make_anew(row.table_name)
    assert "drop" not in {each.kind for each in maintain(SHIP).actions}
    row.refresh_from_db()
    assert (row.relid, row.detach_time) == (oid, pin)
    assert row.detached_at is not None
    assert row.detached_at >= begun - timedelta(minutes=1)
    later = maintain(SHIP, now=timezone.now() + timedelta(days=2))
    assert "drop" not in {each.kind for each in later.actions}
    assert database.exists(row.table_name)


@pytest.mark.parametrize("unfinished", ["drop", "attach"])
def test_what_was_begun_with_the_other_is_not_done_to_it(
    database: Database, row: PartitionLog, unfinished: str
) -> None:
    database.configure(Ship, drop_after=None)
    die_at("LOCK TABLE", lambda: DEEDS[unfinished](row))
    row.refresh_from_db()
    assert row.unfinished == unfinished
    database.make_anew(row.table_name)
    maintain(SHIP)
    maintain(SHIP)
    assert database.exists(row.table_name)
    assert row.table_name not in database.children(Ship)


def test_another_table_that_has_its_oid_by_now_begins_anew_too(
    database: Database, row: PartitionLog
) -> None:
    """As after a dump and restore, by which OIDs can change places."""
    database.cover(Ship, "2020-03-01", "2020-04-01")
    other = database.log(Ship, "2020-03-01")
    other.detach()
    PartitionLog.objects.filter(pk=row.pk).update(relid=-1)
    PartitionLog.objects.filter(pk=other.pk).update(relid=row.relid, detached_at=LONG_AGO)
    PartitionLog.objects.filter(pk=row.pk).update(relid=other.relid)
    assert "drop" not in {each.kind for each in maintain(SHIP).actions}
    assert database.exists(row.table_name)
    assert database.exists(other.table_name)


def test_what_was_shown_by_its_oid_is_dropped(
    database: Database, row: PartitionLog, celery_in_memory: CeleryInMemory
) -> None:
    result = celery_in_memory.run("drop_partitions", SHIP, [entry_of(row)])
    assert [each["action"] for each in result["actions"]] == ["drop"]
    assert not database.exists(row.table_name)


@pytest.mark.parametrize("is_followed", [False, True], ids=["at once", "after a pass"])
@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("drop_partitions", []),
        ("attach_partitions", []),
        ("set_tablespace", ["pg_default"]),
        ("detach_partitions", []),
    ],
)
def test_a_task_is_for_the_table_that_was_shown(
    database: Database,
    row: PartitionLog,
    celery_in_memory: CeleryInMemory,
    name: str,
    more: list[Any],
    is_followed: bool,
) -> None:
    database.configure(Ship, drop_after=None)
    oid = database.make_anew(row.table_name)
    if is_followed:
        maintain(SHIP)
    with pytest.raises(Refused, match="is another table by now than the one that was shown"):
        celery_in_memory.run(name, SHIP, [entry_of(row)], *more)
    assert database.one("SELECT %s::regclass::oid", row.table_name) == oid
    assert database.children(Ship).keys() & {row.table_name} == set()


def test_a_table_with_the_oid_and_another_name_is_not_it_either(
    database: Database, row: PartitionLog, celery_in_memory: CeleryInMemory
) -> None:
    database.execute(f"ALTER TABLE {row.table_name} RENAME TO fleet_ship_old")
    with pytest.raises(UnknownName, match="fleet_ship_old"):
        celery_in_memory.run("drop_partitions", SHIP, [entry_of(row)])
    assert database.exists("fleet_ship_old")


def test_another_try_is_for_the_tables_that_the_names_meant_first(
    database: Database, row: PartitionLog, celery_in_memory: CeleryInMemory
) -> None:
    database.configure(Ship, drop_after=None)
    with short_lock_wait, another_run_on(Ship):
        celery_in_memory.retry_of("drop_partitions", SHIP, [row.table_name])
    (message,) = celery_in_memory.sent()
    assert message.args == [SHIP, [entry_of(row)]]
    database.make_anew(row.table_name)
    result = celery_in_memory.run("drop_partitions", *message.args, request={"retries": 1})
    assert (result["outcome"], result["actions"]) == ("unchanged", [])
    assert database.exists(row.table_name)


def test_another_try_keeps_to_them_too_where_they_came_by_keyword(
    database: Database, row: PartitionLog, celery_in_memory: CeleryInMemory
) -> None:
    with short_lock_wait, another_run_on(Ship), pytest.raises(Exception, match="Retry") as caught:
        celery_in_memory.run(
            "set_tablespace", SHIP, partitions=[row.table_name], tablespace="pg_default"
        )
    sent: Any = caught.value
    assert sent.sig.kwargs == {"partitions": [entry_of(row)], "tablespace": "pg_default"}


def test_what_a_task_dropped_it_does_not_drop_again_when_it_is_delivered_twice(
    database: Database, row: PartitionLog, celery_in_memory: CeleryInMemory
) -> None:
    database.configure(Ship, drop_after=None)
    comment = database.one("SELECT obj_description(%s::regclass)", row.table_name)
    celery_in_memory.run("drop_partitions", SHIP, [row.table_name], request={"id": "task-1"})
    database.make_again(row.table_name, comment)
    reconcile(SHIP)
    again = {"id": "task-1", "delivery_info": {"redelivered": True}}
    for name in (row.table_name, f"public.{row.table_name}"):
        result = celery_in_memory.run("drop_partitions", SHIP, [name], request=again)
        assert (result["outcome"], result["actions"]) == ("unchanged", [])
    assert database.exists(row.table_name)


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "x"},
        {"oid": 1},
        {"name": "x", "oid": "1"},
        {"name": "x", "oid": True},
        {"name": None, "oid": 1},
        {"name": "x", "oid": 1, "force": True},
        {},
    ],
)
def test_an_entry_that_is_no_partition_is_refused(
    database: Database, row: PartitionLog, celery_in_memory: CeleryInMemory, entry: Any
) -> None:
    with pytest.raises(InvalidPolicy, match="must be a list of table names, not"):
        celery_in_memory.run("drop_partitions", SHIP, [entry])


def test_the_command_drops_what_it_showed(database: Database, row: PartitionLog) -> None:
    database.configure(Ship, drop_after=None)
    made: list[int] = []

    def make_anew() -> None:
        made.append(database.make_anew(row.table_name))
        maintain(SHIP)

    arguments = ("drop", SHIP, "--partition", row.table_name)
    status, screen = answer("yes", *arguments, meanwhile=make_anew)
    assert (status, "2020-01-01 .. 2020-02-01" in screen) == (0, True)
    named = f"{row.table_name}, OID {row.relid},"
    assert f"{named} does not exist any more, or is attached to another table." in screen
    assert [database.one("SELECT %s::regclass::oid", row.table_name)] == made


EXCHANGED = {
    "detached": ["drop", "move", "attach"],
    "attached": ["truncate", "move"],
}


@pytest.mark.parametrize(
    ("state", "operation"), [(state, each) for state in EXCHANGED for each in EXCHANGED[state]]
)
def test_one_that_took_the_name_while_the_lock_was_waited_for_is_left_alone(
    database: Database,
    row: PartitionLog,
    state: str,
    operation: str,
) -> None:
    """Whoever waits for a lock may find another table behind the name."""
    database.configure(Ship, drop_after=None)
    if state == "attached":
        row.attach()
    name = row.table_name

    def exchange(_where: str, _connection: BaseDatabaseWrapper) -> None:
        with session("stranger") as stranger:
            stranger.execute(f"ALTER TABLE {name} RENAME TO set_aside")
            stranger.execute(f"CREATE TABLE {name} (LIKE fleet_ship INCLUDING ALL)")
            stranger.execute(
                f"INSERT INTO {name} (id, sailed_at, name) VALUES (1, '2020-01-05', 'x')"
            )

    ended = interrupted_at("LOCK TABLE", lambda: DEEDS[operation](row), exchange)
    assert isinstance(ended.error, OperationDeferred), ended
    assert database.exists("set_aside")
    assert database.one(f"SELECT count(*) FROM {name}") == 1
    assert name not in database.children(Ship)
