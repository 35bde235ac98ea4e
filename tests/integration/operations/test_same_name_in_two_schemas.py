"""Two partitions of one table that have the same name, each in a schema of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from pg_timepart import signals, tasks
from pg_timepart.errors import AmbiguousName, UnknownName
from pg_timepart.maintenance.maintain import maintain
from pg_timepart.maintenance.reconcile import reconcile
from pg_timepart.models import PartitionLog
from tests.apps.fleet.models import Ship
from tests.support.admin_client import no_users_left, page_of, signed_in
from tests.support.celery_messages import CeleryInMemory
from tests.support.command_line import timepart
from tests.support.database import Database, at

SHIP = "fleet.ship"
NAME = "fleet_ship_20010101_20010201"
AWAY, HERE = f"fleet yard.{NAME}", f"public.{NAME}"
QUOTED = {AWAY: f'"fleet yard".{NAME}', HERE: f"public.{NAME}"}
JANUARY = "FOR VALUES FROM ('2001-01-01 00:00+00') TO ('2001-02-01 00:00+00')"
REFUSED = (
    f"{NAME!r} is the name of 2 partitions of fleet.ship: {AWAY}, {HERE}."
    f" Give the one that is meant, such as {AWAY!r}."
)


@dataclass(frozen=True, kw_only=True)
class Namesakes:
    """Both detached, each with a row."""

    database: Database
    away: PartitionLog
    here: PartitionLog

    def left(self) -> dict[str, str]:
        """Return the ship in each table that is there, where our rows know it too."""
        known = {f"{row.schema_name}.{row.table_name}" for row in self.database.logs(Ship)}
        there = {name for name, quoted in QUOTED.items() if self.database.exists(quoted)}
        assert known == there
        return {
            name: self.database.one(f"SELECT name FROM {QUOTED[name]}") for name in sorted(there)
        }


BOTH = {AWAY: "Argo", HERE: "Bounty"}


@pytest.fixture
def namesakes(database: Database) -> Namesakes:
    """One was moved away after its detach; the other was made anew, for the same range."""
    move_january_away(database)
    database.execute(f"CREATE TABLE {NAME} PARTITION OF fleet_ship {JANUARY}")
    Ship.objects.create(sailed_at=at("2001-01-06"), name="Bounty")
    reconcile(SHIP)
    (here,) = (row for row in database.logs(Ship) if row.is_attached)
    here.detach()
    (away,) = (row for row in database.logs(Ship) if row.schema_name == "fleet yard")
    found = Namesakes(database=database, away=away, here=here)
    assert found.left() == BOTH
    return found


def move_january_away(database: Database) -> None:
    (log,) = database.cover(Ship, "2001-01-01", "2001-02-01")
    Ship.objects.create(sailed_at=at("2001-01-05"), name="Argo")
    log.detach()
    database.execute(f'ALTER TABLE {NAME} SET SCHEMA "fleet yard"')


OPERATIONS: dict[str, list[Any]] = {
    "detach_partitions": [],
    "attach_partitions": [],
    "set_tablespace": ["pg_default"],
    "drop_partitions": [],
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_task_refuses_the_name_and_changes_nothing(
    namesakes: Namesakes, celery_in_memory: CeleryInMemory, operation: str
) -> None:
    with pytest.raises(AmbiguousName) as caught:
        celery_in_memory.run(operation, SHIP, [NAME], *OPERATIONS[operation])
    assert str(caught.value) == REFUSED
    assert str(AmbiguousName(*caught.value.args)) == REFUSED
    assert celery_in_memory.sent() == []
    assert namesakes.left() == BOTH
    assert namesakes.database.children(Ship) == {}


@pytest.mark.parametrize("gone", BOTH)
def test_a_task_drops_the_one_that_is_named_with_its_schema(
    namesakes: Namesakes, gone: str
) -> None:
    assert tasks.drop_partitions(SHIP, [gone])["outcome"] == "done"
    (left,) = set(BOTH) - {gone}
    assert namesakes.left() == {left: BOTH[left]}
    tasks.attach_partitions(SHIP, [NAME])
    assert Ship.objects.get().name == BOTH[left]


def test_an_unknown_name_is_answered_with_names_that_are_taken(namesakes: Namesakes) -> None:
    with pytest.raises(UnknownName, match=f"Known: {AWAY}, {HERE}."):
        tasks.drop_partitions(SHIP, [f"nowhere.{NAME}"])


def test_what_comes_again_to_drop_leaves_the_namesake(
    namesakes: Namesakes, celery_in_memory: CeleryInMemory
) -> None:
    for retries, outcome in ((0, "done"), (1, "unchanged")):
        result = celery_in_memory.run("drop_partitions", SHIP, [AWAY], request={"retries": retries})
        assert result["outcome"] == outcome
    assert namesakes.left() == {HERE: "Bounty"}


def test_the_command_refuses_the_name_as_a_wrong_command_line(namesakes: Namesakes) -> None:
    ended = timepart("drop", SHIP, "--partition", NAME, "--yes")
    assert (ended.status, ended.error) == (2, REFUSED)
    assert namesakes.left() == BOTH


def test_the_command_shows_names_that_it_takes(namesakes: Namesakes) -> None:
    shown = timepart("status", SHIP).lines
    assert [line.split("  ")[1] for line in shown if NAME in line] == [AWAY, HERE]
    assert timepart("drop", SHIP, "--partition", HERE, "--yes").status == 0
    assert namesakes.left() == {AWAY: "Argo"}
    assert any(line.startswith(f"  {NAME} ") for line in timepart("status", SHIP).lines)


@pytest.fixture
def client(namesakes: Namesakes) -> Iterator[Client]:
    with no_users_left():
        yield signed_in("view_partitionconfig", "operate_partitionconfig", "drop_partitionconfig")


def test_the_admin_sends_the_one_that_was_chosen(
    namesakes: Namesakes, client: Client, celery_in_memory: CeleryInMemory
) -> None:
    config = namesakes.away.config
    page = client.get(page_of(config)).content.decode()
    for name in BOTH:
        assert f':{name}"' in page
    assert f':{NAME}"' not in page
    key = f"{namesakes.away.relid}:{AWAY}"
    operate = reverse("admin:pg_timepart_partitionconfig_operate", args=(config.pk,))
    asked = client.post(operate, {"operation": "drop", "partitions": [key]})
    text = asked.content.decode()
    assert f"type <code>{AWAY}</code>" in text
    assert f'name="partitions" value="{key}"' in text
    client.post(operate, {"operation": "drop", "partitions": [NAME], "typed": NAME})
    assert celery_in_memory.sent() == []
    client.post(operate, {"operation": "drop", "partitions": [key], "typed": AWAY})
    (message,) = celery_in_memory.sent()
    assert message.args == [SHIP, [{"name": AWAY, "oid": namesakes.away.relid}]]
    celery_in_memory.run("drop_partitions", *message.args)
    assert namesakes.left() == {HERE: "Bounty"}


def test_a_name_that_is_another_ones_with_its_schema_is_refused(database: Database) -> None:
    move_january_away(database)
    database.execute(f'CREATE TABLE "fleet yard.{NAME}" PARTITION OF fleet_ship {JANUARY}')
    reconcile(SHIP)
    with pytest.raises(AmbiguousName) as caught:
        tasks.drop_partitions(SHIP, [AWAY])
    assert str(caught.value) == (
        f"{AWAY!r} is the name of 2 partitions of fleet.ship: {AWAY}, public.{AWAY}."
        f" Give the one that is meant, such as {NAME!r}."
    )
    tasks.detach_partitions(SHIP, [f"public.{AWAY}"])
    assert database.children(Ship) == {}
    tasks.drop_partitions(SHIP, [NAME])
    assert not database.exists(QUOTED[AWAY])
    assert database.exists(f'"{AWAY}"')


def test_one_made_by_hand_that_has_no_row_yet_counts_too(database: Database) -> None:
    move_january_away(database)
    database.execute(f"CREATE TABLE {NAME} PARTITION OF fleet_ship {JANUARY}")
    with pytest.raises(AmbiguousName):
        tasks.drop_partitions(SHIP, [NAME])
    assert database.exists(QUOTED[AWAY])


def test_a_name_is_what_the_table_is_called_by_now(database: Database) -> None:
    """Our rows follow what was renamed by hand at the next pass, and tasks may come before."""
    for log in database.cover(Ship, "2001-01-01", "2001-02-01", "2001-03-01"):
        log.detach()
    february = "fleet_ship_20010201_20010301"
    database.execute(f"ALTER TABLE {NAME} RENAME TO keep_this")
    database.execute(f"ALTER TABLE {february} RENAME TO {NAME}")
    assert tasks.drop_partitions(SHIP, [NAME])["outcome"] == "done"
    with pytest.raises(UnknownName, match="Known: keep_this"):
        tasks.drop_partitions(SHIP, [february])
    assert database.exists("keep_this")


def test_signals_carry_the_row_of_the_one_that_was_changed(namesakes: Namesakes) -> None:
    heard: list[int] = []

    def receive(partition_log: PartitionLog, **_: Any) -> None:
        heard.append(partition_log.pk)

    changes = (signals.post_attach_partition, signals.post_detach_partition)
    for each in changes:
        each.connect(receive)
    try:
        for log in (namesakes.away, namesakes.here):
            log.attach()
            log.detach()
    finally:
        for each in changes:
            each.disconnect(receive)
    away, here = namesakes.away.pk, namesakes.here.pk
    assert heard == [away, away, here, here]


def test_a_new_partition_takes_no_name_that_one_of_ours_has_in_another_schema(
    database: Database,
) -> None:
    move_january_away(database)
    maintain(SHIP)
    for expected in (f"{NAME}_2", f"{NAME}_3"):
        (action,) = Ship.partitioning.create_range(at("2001-01-01"), at("2001-02-01")).actions
        assert action.partition == expected
        tasks.detach_partitions(SHIP, [expected])
    database.execute(f'ALTER TABLE {NAME}_2 SET SCHEMA "fleet yard"')
    (action,) = Ship.partitioning.create_range(at("2001-01-01"), at("2001-02-01")).actions
    assert action.partition == f"{NAME}_4"


def test_nor_does_one_whose_name_is_taken_in_its_own_schema(database: Database) -> None:
    january = (at("2001-01-01"), at("2001-02-01"))
    for name in (NAME, f"{NAME}_2"):
        Ship.partitioning.create_range(*january)
        tasks.detach_partitions(SHIP, [name])
    database.execute(f'ALTER TABLE {NAME}_2 SET SCHEMA "fleet yard"')
    (action,) = Ship.partitioning.create_range(*january).actions
    assert action.partition == f"{NAME}_3"


def test_the_default_partition_is_not_blamed_for_rows_of_its_namesake(database: Database) -> None:
    move_january_away(database)
    database.execute(f"CREATE TABLE {NAME} PARTITION OF fleet_ship DEFAULT")
    for check in database.query(
        "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = %s::regclass",
        QUOTED[AWAY],
    ):
        database.execute(f"ALTER TABLE {QUOTED[AWAY]} DROP CONSTRAINT {check}")
    database.execute(f"UPDATE {QUOTED[AWAY]} SET sailed_at = '2001-03-01'")
    result = tasks.attach_partitions(SHIP, [AWAY])
    assert result["outcome"] == "failed"
    assert "default partition" not in result["actions"][0]["detail"]
