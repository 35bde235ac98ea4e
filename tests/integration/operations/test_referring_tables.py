"""Foreign keys that refer to a partitioned table: what keeps a partition attached, and who is told.

The model's primary key is its partition key, so a foreign key to it is an ordinary one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from django.db import models, transaction
from django.test import override_settings

from pg_timepart import uuid7
from pg_timepart.errors import OperationDeferred, OperationFailed
from pg_timepart.findings import Code
from pg_timepart.maintenance.preview import preview_pass
from pg_timepart.maintenance.target import target_of
from pg_timepart.postgres.referring_rows import what_refers
from pg_timepart.status.health import assess
from tests.support.database import Database, at, outcomes
from tests.support.processes import session, wait_until

pytest_plugins = ("tests.support.database_fixtures",)

JANUARY, FEBRUARY = "fleet_raft_20240101_20240201", "fleet_raft_20240201_20240301"
NOW = "2024-04-15"
BRIEFLY = override_settings(PG_TIMEPART={"LOCK_WAIT_SECONDS": 0.3})


@dataclass
class Fleet:
    """Rafts by month, and logs that refer to them."""

    database: Database
    raft: Any

    def row(self, day: str) -> UUID:
        """Insert a raft of this day; return its id."""
        key: UUID = self.raft.partitioning.key_at(at(day))
        key = UUID(int=key.int | 7 << 76 | 2 << 62)
        self.database.execute("INSERT INTO fleet_raft (id) VALUES (%s)", key)
        return key

    def refer(self, key: UUID, table: str = "fleet_log") -> None:
        """Insert a row that refers to it."""
        self.database.execute(f"INSERT INTO {table} (raft_id) VALUES (%s)", key)

    def retired(self) -> list[tuple[str, str]]:
        """Return how the detaches of a pass ended, by partition."""
        report = self.database.maintain(self.raft, NOW)
        return [
            (each.partition, each.outcome.value)
            for each in report.actions
            if each.kind.value == "detach"
        ]

    @property
    def attached(self) -> set[str]:
        """The old partitions that are attached; asserts that no detach is pending."""
        pending = self.database.query("SELECT inhrelid FROM pg_inherits WHERE inhdetachpending")
        assert pending == []
        return set(self.database.children(self.raft)) & {JANUARY, FEBRUARY}


@contextmanager
def committed_once(writer: Any, waits: str) -> Iterator[None]:
    """Commit the writer's transaction once the query finds something, beside the block."""

    def commit() -> None:
        with session("observer") as observer:
            wait_until(lambda: observer.execute(waits) or observer.fetchone())
        writer.execute("COMMIT")

    thread = Thread(target=commit)
    thread.start()
    yield
    thread.join(30)


REFERS = "raft_id uuid REFERENCES fleet_raft DEFERRABLE INITIALLY DEFERRED"


@pytest.fixture
def fleet(database: Database) -> Fleet:
    raft = database.build(
        id=models.UUIDField(primary_key=True, default=uuid7),
        at=models.DateTimeField(null=True),
        key="id",
        key_format="uuid7",
    )
    database.configure(raft, interval=1, premake=1)
    database.cover(raft, "2024-01-01", "2024-02-01", "2024-03-01", "2024-06-01")
    database.execute(f"CREATE TABLE fleet_log (number int, {REFERS})")
    return Fleet(database, raft)


def test_what_is_referred_to_stays_and_what_is_not_goes(fleet: Fleet) -> None:
    key = fleet.row("2024-01-10")
    fleet.refer(key)
    fleet.refer(key)
    fleet.row("2024-02-10")
    report = fleet.database.maintain(fleet.raft, NOW)
    found = {each.partition: each for each in report.actions if each.kind.value == "detach"}
    assert (found[JANUARY].outcome, found[FEBRUARY].outcome) == ("deferred", "done")
    assert "public.fleet_log refers to 1 of its rows by raft_id" in found[JANUARY].detail
    assert found[JANUARY].code is Code.STILL_REFERRED
    assert fleet.attached == {JANUARY}
    (run, *_) = fleet.database.runs(fleet.raft)
    assert "public.fleet_log refers to 1 of its rows" in str(run.actions)


def test_the_next_pass_detaches_it_once_nothing_refers_to_it_and_it_comes_back(
    fleet: Fleet,
) -> None:
    key = fleet.row("2024-01-10")
    fleet.refer(key)
    assert fleet.retired()[0] == (JANUARY, "deferred")
    log = fleet.database.log(fleet.raft, "2024-01-01")
    assert (log.unfinished, "refers to 1 of its rows" in log.still_referred) == ("", True)
    fleet.database.execute("DELETE FROM fleet_log")
    assert fleet.retired() == [(JANUARY, "done")]
    log = fleet.database.log(fleet.raft, "2024-01-01")
    assert (log.is_attached, log.still_referred) == (False, "")
    fleet.raft.partitioning.attach_partition(log)
    fleet.refer(key)
    assert fleet.attached == {JANUARY}


@pytest.mark.parametrize("concurrently", [True, False])
def test_who_asks_by_hand_is_told_at_once(fleet: Fleet, concurrently: bool) -> None:
    fleet.refer(fleet.row("2024-01-10"))
    log = fleet.database.log(fleet.raft, "2024-01-01")
    with pytest.raises(OperationFailed, match=r"cannot be detached: .* refers to 1 of its rows"):
        fleet.raft.partitioning.detach_partition(log, concurrently=concurrently)
    assert fleet.attached == {JANUARY, FEBRUARY}
    assert fleet.database.log(fleet.raft, "2024-01-01").unfinished == ""


def test_a_dry_run_says_it_and_records_nothing(fleet: Fleet) -> None:
    fleet.refer(fleet.row("2024-01-10"))
    preview = preview_pass(target_of(fleet.raft), now=at(NOW))
    notes = {each.action.partition: each.note for each in preview.actions}
    assert "This would fail: " in notes[JANUARY]
    assert "public.fleet_log refers to 1 of its rows" in notes[JANUARY]
    (january, february) = (
        next(each.steps for each in preview.actions if each.action.partition == name)
        for name in (JANUARY, FEBRUARY)
    )
    assert january == ()
    assert "ACCESS EXCLUSIVE on public.fleet_log" in february[-1].locks
    assert fleet.database.log(fleet.raft, "2024-01-01").still_referred == ""


def test_what_is_referred_to_does_not_blow_the_fuse_for_the_others(fleet: Fleet) -> None:
    fleet.database.configure(fleet.raft, max_retire_per_pass=1, interval=2)
    fleet.refer(fleet.row("2024-01-10"))
    assert fleet.retired() == [(JANUARY, "deferred")]
    fleet.database.configure(fleet.raft, interval=1)
    assert fleet.retired() == [(JANUARY, "deferred"), (FEBRUARY, "done")]


def test_all_at_once_they_go_no_faster_than_the_fuse_allows(fleet: Fleet) -> None:
    fleet.refer(fleet.row("2024-01-10"))
    fleet.refer(fleet.row("2024-02-10"))
    assert fleet.retired() == [(JANUARY, "deferred"), (FEBRUARY, "deferred")]
    fleet.database.configure(fleet.raft, max_retire_per_pass=1)
    fleet.database.execute("DELETE FROM fleet_log")
    assert fleet.retired() == [(JANUARY, "done"), (FEBRUARY, "deferred")]
    assert fleet.retired() == [(FEBRUARY, "done")]


def test_many_rows_are_not_counted_to_the_end(fleet: Fleet) -> None:
    key = fleet.row("2024-01-10")
    fleet.database.execute(
        "INSERT INTO fleet_log (raft_id) SELECT %s FROM generate_series(1, 1500)", key
    )
    report = fleet.database.maintain(fleet.raft, NOW)
    assert "More than 1,000 rows of public.fleet_log refer to it by raft_id." in report.reason


def test_rows_that_begin_to_refer_once_it_was_asked_are_told_alike(fleet: Fleet) -> None:
    """The server waits for who inserts it, and then finds it: nothing is half done."""
    key = fleet.row("2024-01-10")
    with session("writer") as writer:
        writer.execute("BEGIN")
        writer.execute("INSERT INTO fleet_log (raft_id) VALUES (%s)", [key])
        with override_settings(
            PG_TIMEPART={"LONG_TRANSACTION_MS": 60_000, "LOCK_BUDGET_MS": 2_000}
        ):
            waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'fleet_log'::regclass"
            with committed_once(writer, waits):
                report = fleet.database.maintain(fleet.raft, NOW)
    assert "public.fleet_log refers to 1 of its rows" in report.reason
    assert fleet.attached == {JANUARY}


def test_two_tables_one_of_them_partitioned_and_in_another_schema(fleet: Fleet) -> None:
    database = fleet.database
    database.execute("CREATE SCHEMA yard")
    database.execute(
        f"CREATE TABLE yard.fleet_log (number int, {REFERS}) PARTITION BY RANGE (number)"
    )
    database.execute("CREATE TABLE yard.fleet_part PARTITION OF yard.fleet_log DEFAULT")
    key = fleet.row("2024-01-10")
    fleet.refer(key)
    database.execute("INSERT INTO yard.fleet_log VALUES (1, %s)", key)
    try:
        report = database.maintain(fleet.raft, NOW)
        assert "public.fleet_log refers to 1 of its rows" in report.reason
        assert "yard.fleet_log refers to 1 of its rows" in report.reason
        database.execute("DELETE FROM fleet_log")
        database.execute("DELETE FROM yard.fleet_log")
        assert fleet.retired() == [(JANUARY, "done")]
        fleet.raft.partitioning.attach_partition(database.log(fleet.raft, "2024-01-01"))
        database.execute("INSERT INTO yard.fleet_log VALUES (1, %s)", key)
    finally:
        database.execute("DROP SCHEMA yard CASCADE")


def test_a_table_that_refers_to_itself(fleet: Fleet) -> None:
    """Also rows of one partition that refer to one another keep it attached."""
    database = fleet.database
    database.execute("ALTER TABLE fleet_raft ADD parent uuid REFERENCES fleet_raft")
    key = fleet.row("2024-01-10")
    database.execute("UPDATE fleet_raft SET parent = id WHERE id = %s", key)
    report = database.maintain(fleet.raft, NOW)
    assert (
        "public.fleet_raft refers to 1 of its rows by parent (rows of the partition"
        in report.reason
    )
    database.execute("UPDATE fleet_raft SET parent = NULL")
    assert fleet.retired() == [(JANUARY, "done")]
    fleet.raft.partitioning.attach_partition(database.log(fleet.raft, "2024-01-01"))
    assert JANUARY in database.children(fleet.raft)


def test_truncate_says_why_the_server_refuses_it(fleet: Fleet) -> None:
    log = fleet.database.log(fleet.raft, "2024-01-01")
    with pytest.raises(OperationFailed, match=r"refuses TRUNCATE .* public.fleet_log do"):
        fleet.raft.partitioning.truncate_partition(log)


def test_in_a_transaction_of_the_caller_with_checks_that_wait(fleet: Fleet) -> None:
    key, other = fleet.row("2024-01-10"), fleet.row("2024-02-10")
    logs = fleet.raft.partitioning
    january = fleet.database.log(fleet.raft, "2024-01-01")
    with transaction.atomic():
        fleet.refer(key)
        fleet.refer(other)
        fleet.database.execute("DELETE FROM fleet_log WHERE raft_id = %s", key)
        fleet.database.execute("DELETE FROM fleet_raft WHERE id = %s", key)
        logs.detach_partition(january, concurrently=False)
        fleet.database.execute("DELETE FROM fleet_log")
        logs.attach_partition(january)
        logs.create_range(at("2023-12-01"), at("2024-01-01"))
    assert fleet.attached == {JANUARY, FEBRUARY}


def test_a_default_partition_beside_it(fleet: Fleet) -> None:
    fleet.database.execute("CREATE TABLE fleet_rest PARTITION OF fleet_raft DEFAULT")
    fleet.refer(fleet.row("2024-01-10"))
    assert fleet.retired() == [(JANUARY, "deferred"), (FEBRUARY, "done")]
    fleet.database.execute("DELETE FROM fleet_log")
    assert fleet.retired() == [(JANUARY, "done")]


@BRIEFLY
@pytest.mark.parametrize(
    "statement", ["SELECT * FROM fleet_log", "UPDATE fleet_log SET number = 1"]
)
def test_who_uses_the_referring_table_is_named_and_nothing_begins(
    fleet: Fleet, statement: str
) -> None:
    log = fleet.database.log(fleet.raft, "2024-01-01")
    with session("reporter") as other:
        other.execute("BEGIN")
        other.execute(statement)
        other.execute("SELECT pg_sleep(0.3)")
        with pytest.raises(OperationDeferred, match=r"'reporter'.* on public\.fleet_log"):
            fleet.raft.partitioning.detach_partition(log)
    assert fleet.attached == {JANUARY, FEBRUARY}
    fleet.raft.partitioning.detach_partition(log)


def test_a_search_that_takes_longer_than_the_budget_is_not_begun(fleet: Fleet) -> None:
    fleet.database.execute(
        "INSERT INTO fleet_raft (id) SELECT (substr(%s, 1, 24) || lpad(to_hex(n), 12, '0'))::uuid"
        " FROM generate_series(1, 9000) n",
        str(fleet.row("2024-01-10")),
    )
    others = str(fleet.row("2024-04-10"))
    fleet.database.execute(
        "INSERT INTO fleet_log SELECT n, %s FROM generate_series(1, 9000) n", others
    )
    fleet.database.execute("ANALYZE fleet_log, fleet_raft")
    log = fleet.database.log(fleet.raft, "2024-01-01")
    with override_settings(PG_TIMEPART={"LOCK_BUDGET_MS": 1}):
        with pytest.raises(
            OperationFailed, match="searches both tables while the writers of"
        ) as told:
            fleet.raft.partitioning.detach_partition(log)
    assert "an index of public.fleet_log that begins with raft_id" in str(told.value)
    assert fleet.attached == {JANUARY, FEBRUARY}
    fleet.raft.partitioning.detach_partition(log)


def test_health_warns_until_it_is_gone(fleet: Fleet) -> None:
    fleet.refer(fleet.row("2024-01-10"))
    fleet.retired()
    (warning,) = warnings(fleet)
    assert warning.startswith(f"{JANUARY} is past retention and stays attached.")
    assert "public.fleet_log refers to 1 of its rows by raft_id." in warning
    fleet.database.configure(fleet.raft, interval=1000)
    assert warnings(fleet) == []
    fleet.database.configure(fleet.raft, interval=1)
    fleet.database.execute("DELETE FROM fleet_log")
    fleet.retired()
    assert warnings(fleet) == []


def warnings(fleet: Fleet) -> list[str]:
    target = target_of(fleet.raft)
    logs = target.logs()
    found = assess(target, target.read(logs), logs, None)
    return [each.sentence for each in found if each.code is Code.STILL_REFERRED]


@pytest.fixture
def keeper(fleet: Fleet) -> Iterator[str]:
    """A role that may use the tables but not read fleet_log."""
    database, role = fleet.database, "keeper_of_rafts"
    database.execute(f"CREATE ROLE {role}")
    database.execute(f"GRANT SELECT ON fleet_raft, {JANUARY} TO {role}")
    yield role
    database.execute("RESET ROLE")
    database.execute(f"DROP OWNED BY {role}")
    database.execute(f"DROP ROLE {role}")


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("SELECT 1", "may not read public.fleet_log, which refers to it: GRANT SELECT ON"),
        ("GRANT SELECT ON fleet_log TO keeper_of_rafts", ""),
        (
            "ALTER TABLE fleet_log ENABLE ROW LEVEL SECURITY; GRANT SELECT ON fleet_log TO PUBLIC",
            "Row security may hide rows of public.fleet_log",
        ),
    ],
    ids=["no right to read", "a right to read", "row security"],
)
def test_a_role_that_cannot_tell_is_told_so(
    fleet: Fleet, keeper: str, statement: str, sentence: str
) -> None:
    """The server itself would detach a partition whose referring rows are hidden from the role."""
    target = target_of(fleet.raft)
    parent = target.read(target.logs())
    leaf = next(each for each in parent.ranged if each.name == JANUARY)
    assert leaf.bounds is not None
    assert parent.key_format is not None
    sides = parent.key_format.write(leaf.bounds, UTC)
    fleet.database.execute(statement)
    fleet.database.execute(f"SET ROLE {keeper}")
    said = what_refers(fleet.database.connection, parent, leaf, sides, budget_ms=5_000)
    assert sentence in said
    assert bool(said) is bool(sentence)


def test_one_partitioned_table_that_refers_to_another(fleet: Fleet) -> None:
    """Each has its partitions made, taken off, brought back and dropped beside the other's."""
    database = fleet.database
    barge = database.build(
        at=models.DateTimeField(primary_key=True),
        raft_id=models.UUIDField(null=True),
        model_name="Barge",
        db_table="fleet_barge",
    )
    database.execute(f"ALTER TABLE fleet_barge ADD {REFERS.replace('raft_id', 'tows')}")
    database.configure(barge, interval=1, premake=1)
    database.cover(barge, "2024-01-01", "2024-02-01", "2024-03-01", "2024-06-01")
    key = fleet.row("2024-02-10")
    database.execute("INSERT INTO fleet_barge (at, tows) VALUES ('2024-01-05+00', %s)", key)
    assert fleet.retired() == [(JANUARY, "done"), (FEBRUARY, "deferred")]
    assert "public.fleet_barge refers to 1 of its rows by tows" in (
        database.log(fleet.raft, "2024-02-01").still_referred
    )
    done = [("detach", "done"), ("unlink", "done")] * 2
    assert outcomes(database.maintain(barge, NOW)) == done
    assert fleet.retired() == [(FEBRUARY, "done")]
    january = database.log(barge, "2024-01-01")
    with pytest.raises(OperationFailed, match=r"refer by tows to rows of fleet_raft that are gone"):
        barge.partitioning.attach_partition(january)
    fleet.raft.partitioning.attach_partition()
    barge.partitioning.attach_partition()
    assert fleet.attached == {JANUARY, FEBRUARY}
    assert "fleet_barge_20240101_20240201" in database.children(barge)
    with pytest.raises(OperationFailed, match="fleet_barge refers to 1 of its rows"):
        fleet.raft.partitioning.detach_partition(database.log(fleet.raft, "2024-02-01"))
    barge.partitioning.detach_partition([january])
    barge.partitioning.delete_partition([january])
