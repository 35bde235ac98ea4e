"""One whole life of a partition with each key format, asked for in each of the ways there are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import models
from django.test import Client

from pg_timepart import Snowflake, tasks
from pg_timepart.errors import OperationFailed
from pg_timepart.partitions.key_formats.base import KeyFormat
from pg_timepart.schema.declaration import key_format_of
from pg_timepart.schema.registry import only_decorated
from tests.support.admin_client import no_users_left, page_of, signed_in
from tests.support.command_line import CommandResult, timepart
from tests.support.database import Database, Tablespaces, at, failure, notices_of, outcomes

pytest_plugins = ("tests.support.database_fixtures",)

BIG, INT4, UUIDS = models.BigIntegerField, models.IntegerField, models.UUIDField
KEYS: dict[str, tuple[Any, Any]] = {
    "uuid7": (UUIDS, "uuid7"),
    "epoch_s in int4": (INT4, "epoch_s"),
    "epoch_ms": (BIG, "epoch_ms"),
    "epoch_us": (BIG, "epoch_us"),
    "Snowflake": (BIG, Snowflake(epoch=datetime(2015, 1, 1, tzinfo=UTC), shift=22)),
}
OLD = "fleet_raft_20240101_20240201"
LABEL = "fleet.raft"


@pytest.fixture(params=KEYS)
def raft(request: pytest.FixtureRequest, database: Database) -> Iterator[Any]:
    field, key_format = KEYS[request.param]
    model = database.build(
        id=field(primary_key=True),
        at=models.DateTimeField(null=True),
        key="id",
        key_format=key_format,
    )
    with only_decorated(model):
        yield model


@pytest.fixture
def client(database: Database) -> Iterator[Client]:
    with no_users_left():
        yield signed_in("change_partitionconfig")


def ask(*words: str) -> CommandResult:
    """Run the command, which must end well."""
    ended = timepart(*words)
    assert ended.status == 0, ended
    return ended


def values_of(key_format: KeyFormat, start: str, end: str) -> list[Any]:
    """Return the first and the last value of a range, as rows can have them."""
    first, after = key_format.value(at(start), UTC), key_format.value(at(end), UTC)
    if isinstance(first, UUID) and isinstance(after, UUID):
        return [UUID(int=first.int | 7 << 76), UUID(int=after.int - 1 & ~(8 << 76))]
    assert isinstance(after, int)
    return [first, after - 1]


def printed(database: Database, raft: Any, name: str) -> tuple[str, str]:
    """Return both bounds of a partition as the server prints them, without quotes."""
    text = database.children(raft)[name]
    lower, upper = text.removeprefix("FOR VALUES FROM (").removesuffix(")").split(") TO (")
    return lower.strip("'"), upper.strip("'")


def test_from_the_first_pass_to_the_drop(
    raft: Any, database: Database, tablespaces: Tablespaces, client: Client
) -> None:
    ask("maintain", LABEL)
    key_format = key_format_of(raft)
    rows = values_of(key_format, "2024-01-01", "2024-02-01")
    ask("create", LABEL, "--from", "2024-01-01", "--to", "2024-02-01")
    raft.objects.bulk_create([raft(pk=each) for each in rows])
    assert database.one(f"SELECT count(*) FROM {OLD}") == len(rows)
    bounds = printed(database, raft, OLD)
    shown_by_status(bounds, database, raft, client)

    database.configure(raft, interval=2)
    assert tasks.maintain(LABEL)["outcome"] == "done"
    assert (raft.objects.count(), OLD in database.children(raft)) == (0, False)
    assert shown_by_json()["literals"] == {"lower": bounds[0], "upper": bounds[1]}
    attached_again(database, raft, bounds)
    beside_a_default_partition(database, raft, key_format)
    drifted_and_reconciled(database, raft)
    moved_and_dropped(database, raft, tablespaces)
    assert ask("maintain", LABEL).lines[0] == f"{LABEL}: unchanged"
    assert ask("plan", LABEL, "--json").json[0]["actions"] == []


def shown_by_json() -> Any:
    """Return what the status says of the old partition."""
    found = timepart("status", LABEL, "--json").json[0]["partitions"]
    return next(each for each in found if each["partition"] == OLD)


def shown_by_status(bounds: tuple[str, str], database: Database, raft: Any, client: Client) -> None:
    lower, upper = bounds
    assert shown_by_json()["start"] == "2024-01-01T00:00:00+00:00"
    assert shown_by_json()["literals"] == {"lower": lower, "upper": upper}
    quiet, verbose = timepart("status", LABEL), timepart("status", LABEL, "--verbosity", "2")
    assert "2024-01-01 .. 2024-02-01" in quiet.out
    assert lower not in quiet.out
    assert f"{OLD}  {lower} .. {upper}" in verbose.out
    page = client.get(page_of(database.configure(raft))).content.decode()
    assert "<td>2024-01-01 .. 2024-02-01<div" in page
    assert all(f">{side}</div>" in page for side in bounds)


def attached_again(database: Database, raft: Any, bounds: tuple[str, str]) -> None:
    with notices_of(database) as told:
        ask("attach", LABEL, "--partition", OLD, "--pin", "2099-01-01")
    assert any("is implied by existing constraints" in each for each in told), told
    assert (printed(database, raft, OLD), raft.objects.count()) == (bounds, 2)
    assert ask("maintain", LABEL).lines[0] == f"{LABEL}: unchanged"  # it is pinned


def beside_a_default_partition(database: Database, raft: Any, key_format: KeyFormat) -> None:
    database.execute("CREATE TABLE fleet_rest PARTITION OF fleet_raft DEFAULT")
    stray, last = values_of(key_format, "2025-03-01", "2025-04-01")
    raft.objects.create(pk=stray)
    database.execute("ALTER TABLE fleet_rest SET (autovacuum_enabled = off)")
    database.execute("UPDATE pg_class SET relpages = 1000 WHERE relname = 'fleet_rest'")
    report = raft.partitioning.create_range(at("2025-01-01"), at("2025-03-01"))
    assert outcomes(report) == [("create", "done")] * 2
    assert any("pg_timepart_excludes" in each for each in report.actions[0].statements)
    refused = timepart("create", LABEL, "--from", "2025-03-01", "--to", "2025-04-01")
    assert "fleet_rest holds rows of this range" in refused.out
    raft.objects.create(pk=last)
    log = database.log(raft, "2025-01-01")
    assert outcomes(raft.partitioning.detach_partition(log)) == [("detach", "done")]
    assert outcomes(raft.partitioning.attach_partition(log)) == [("attach", "done")]
    database.execute("DROP TABLE fleet_rest")


def drifted_and_reconciled(database: Database, raft: Any) -> None:
    name = database.log(raft, "2025-01-01").table_name
    database.execute(f"ALTER TABLE fleet_raft DETACH PARTITION {OLD} CONCURRENTLY")
    database.execute(f"ALTER TABLE {name} RENAME TO fleet_renamed")
    database.log(raft, "2025-02-01").config.logs.filter(start=at("2025-02-01")).delete()
    said = ask("reconcile", LABEL).out
    assert f"{OLD} was detached outside" in said
    assert "fleet_renamed was changed outside" in said
    assert "fleet_raft_20250201_20250301 is recorded" in said
    assert "is not one period" not in said


def moved_and_dropped(database: Database, raft: Any, tablespaces: Tablespaces) -> None:
    ask("move", LABEL, "--partition", OLD, "--tablespace", tablespaces.cold)
    assert database.tablespaces(OLD) == {tablespaces.cold}
    database.configure(raft, drop_after=timedelta(0), interval=None)
    config = database.configure(raft)
    config.logs.filter(table_name=OLD).update(detach_time=None)
    ask("drop", LABEL, "--partition", OLD, "--yes")
    assert not database.exists(OLD)


def test_the_last_partition_of_an_int4_takes_all_that_is_left(database: Database) -> None:
    raft = database.build(
        id=INT4(primary_key=True),
        at=models.DateTimeField(null=True),
        key="id",
        key_format="epoch_s",
    )
    report = database.maintain(raft, "2037-12-20")
    assert outcomes(report) == [("create", "done")] * 2
    assert "(epoch_s, integer) end at 2038-01-19 03:14:08+00:00" in failure(report)
    last = database.log(raft, "2038-01-01")
    raft.objects.create(pk=2**31 - 1)
    raft.partitioning.detach_partition(last)
    raft.partitioning.attach_partition(last)
    assert database.children(raft)["fleet_raft_20380101_max"].endswith("TO (MAXVALUE)")
    assert database.maintain(raft, "2038-01-05").actions == ()
    before = database.children(raft)
    with pytest.raises(OperationFailed, match="begin at 1970-01-01"):
        raft.partitioning.create_range(at("1969-12-01"), at("1970-02-01"))
    assert database.children(raft) == before
