"""Inside transactions, and in the test suites of those who use the package."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, connections, transaction
from django.test import TestCase, TransactionTestCase, override_settings
from django.utils import timezone

from pg_timepart.constants import Outcome
from pg_timepart.errors import OperationDeferred, OperationFailed
from pg_timepart.maintenance.maintain import maintain
from pg_timepart.models import PartitionConfig, PartitionLog
from pg_timepart.signals import post_create_partition
from tests.apps.plant.models import Machine, Measurement, Reading
from tests.support.processes import forked, session
from tests.support.table_state import (
    State,
    change_policy,
    locked_tables,
    observe,
    reset_plant_tables,
    reset_table,
)

OLD = dt.datetime(2024, 3, 5, tzinfo=dt.UTC)
SETTINGS = ("lock_timeout", "statement_timeout", "default_tablespace")


@pytest.fixture
def plant_tables(committing: None) -> Iterator[None]:
    """Tables with room around now, as after migrate."""
    for model in (Reading, Measurement):
        reset_table(model)
        maintain(model._meta.label_lower)
    yield
    reset_plant_tables()


class Undone(Exception):
    """Ends a transaction on purpose."""


@contextmanager
def undone() -> Iterator[None]:
    """Run in a transaction that is rolled back at its end."""
    with suppress(Undone), transaction.atomic():
        yield
        raise Undone


def measure(value: int = 1, at: dt.datetime | None = None) -> Measurement:
    machine = Machine.objects.get_or_create(name="press")[0]
    return Measurement.objects.create(at=at or timezone.now(), value=value, machine=machine)


def an_old_one() -> PartitionLog:
    Measurement.partitioning.create_range(OLD, OLD + dt.timedelta(days=1))
    return PartitionLog.objects.get(config__model_label="plant.measurement", start=OLD)


def settings_in_force() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(n) FROM unnest(%s::text[]) n", [list(SETTINGS)])
        return [value for (value,) in cursor.fetchall()]


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for each in statements:
            cursor.execute(each)


def locked_by_us() -> list[str]:
    with session("onlooker") as cursor:
        return locked_tables(cursor)


def test_create_commits_with_the_transaction(plant_tables: None) -> None:
    before = observe(Measurement)
    with transaction.atomic():
        assert Measurement.partitioning.create_partition(0).outcome is Outcome.DONE
        assert locked_by_us() == ["plant_measurement"]
    assert locked_by_us() == []
    assert observe(Measurement).facts > before.facts
    newest = Measurement.partitioning.latest
    assert newest is not None
    measure(at=newest.start)
    assert maintain("plant.measurement").outcome is Outcome.UNCHANGED


def test_create_is_rolled_back_with_the_transaction(plant_tables: None) -> None:
    before = observe(Measurement)
    with undone():
        Measurement.partitioning.create_partition(0)
        assert observe(Measurement) != before
    assert not before.difference(observe(Measurement))
    assert maintain("plant.measurement").outcome is Outcome.UNCHANGED


def test_a_savepoint_takes_it_back_alone(plant_tables: None) -> None:
    before = observe(Measurement)
    with transaction.atomic():
        with undone():
            Measurement.partitioning.create_partition(0)
        measure()
    assert Measurement.objects.count() == 1
    assert len(observe(Measurement).facts) == len(before.facts)


def test_signals_wait_for_the_commit(plant_tables: None) -> None:
    made: list[str] = []

    def receive(partition_log: PartitionLog, **kwargs: Any) -> None:
        made.append(partition_log.table_name)

    post_create_partition.connect(receive)
    try:
        with undone():
            Measurement.partitioning.create_partition(0)
        with transaction.atomic():
            Measurement.partitioning.create_partition(0)
            assert made == []
        assert len(made) == 1
    finally:
        post_create_partition.disconnect(receive)


@pytest.mark.parametrize("local", ["", "LOCAL "])
def test_the_settings_of_the_session_stay(plant_tables: None, local: str) -> None:
    wanted = ["7s", "9s", "pg_default"]
    try:
        with transaction.atomic():
            for name, value in zip(SETTINGS, wanted, strict=True):
                execute(f"SET {local}{name} = '{value}'")
            Measurement.partitioning.create_partition(0)
            assert settings_in_force() == wanted
        assert settings_in_force() == (["0", "0", ""] if local else wanted)
        Measurement.partitioning.create_partition(0)
        an_old_one().detach()
        assert settings_in_force() == (["0", "0", ""] if local else wanted)
    finally:
        connection.close()


@override_settings(PG_TIMEPART={"LOCK_WAIT_SECONDS": 0.3})
def test_giving_way_leaves_the_transaction_usable(plant_tables: None) -> None:
    with session("writer") as writer:
        writer.execute("BEGIN")
        writer.execute("INSERT INTO plant_machine (name) VALUES ('lathe')")
        with transaction.atomic():
            execute("SET LOCAL lock_timeout = '7s'")
            with pytest.raises(OperationDeferred, match="'writer'"):
                Measurement.partitioning.create_partition(0)
            assert settings_in_force() == ["7s", "0", ""]
            Reading.objects.create(at=timezone.now(), value=1)
        writer.execute("ROLLBACK")
    assert Reading.objects.count() == 1


def test_a_concurrent_detach_refuses_and_offers_the_plain_one(plant_tables: None) -> None:
    log = an_old_one()
    with transaction.atomic():
        with pytest.raises(OperationFailed, match=r"concurrently=False") as raised:
            log.detach()
        assert "atomic()" in str(raised.value)
        log.refresh_from_db()
        assert (log.is_attached, log.unfinished) == (True, "")
        log.detach(concurrently=False)
        log.refresh_from_db()
        assert not log.is_attached
    assert maintain("plant.measurement").outcome is Outcome.UNCHANGED


def test_detach_attach_and_drop_are_rolled_back(plant_tables: None) -> None:
    log = an_old_one()
    measure(at=OLD)
    before = observe(Measurement)
    with undone():
        log.detach(concurrently=False)
        log.attach()
        log.detach(concurrently=False)
        log.truncate()
        log.delete()
        assert not PartitionLog.objects.filter(pk=log.pk).exists()
    assert not before.difference(observe(Measurement))


def test_a_whole_pass_in_a_transaction(plant_tables: None) -> None:
    """Creating works there; retiring says how it can be done."""
    an_old_one()
    change_policy(Measurement, interval=2, premake=3)
    with transaction.atomic():
        report = maintain("plant.measurement")
    assert report.outcome is Outcome.FAILED
    assert "concurrently=False" in report.reason
    assert [each.outcome for each in report.actions] == ["done", "done", "failed"]
    assert maintain("plant.measurement").outcome is Outcome.DONE


class InTestCase(TestCase):
    """Each method is rolled back, and sees what migrate left."""

    def test_first(self) -> None:
        self.use()

    def test_second(self) -> None:
        self.use()

    def use(self) -> None:
        logs = PartitionLog.objects.filter(config__model_label="plant.measurement")
        assert not logs.filter(start=OLD).exists()
        before = logs.count()
        measure()
        Measurement.partitioning.create_partition(0)
        an_old_one().detach(concurrently=False)
        assert logs.count() == before + 2

    def test_a_refused_row_does_not_end_the_test(self) -> None:
        with pytest.raises((DatabaseError, IntegrityError)), transaction.atomic():
            measure(at=OLD)
        measure()


class InTransactionTestCase(TransactionTestCase):
    """Each method commits; the flush after it empties our tables, and partitions stay."""

    def tearDown(self) -> None:
        for log in PartitionLog.objects.filter(start=OLD):
            assert not log.is_attached

    def test_first(self) -> None:
        self.use()

    def test_second(self) -> None:
        self.use()

    def use(self) -> None:
        assert Measurement.objects.count() == 0
        config = PartitionConfig.objects.get(model_label="plant.measurement")
        assert config.logs.filter(is_attached=True).count() >= 2
        measure()
        log = an_old_one()
        measure(at=OLD)
        log.detach()
        assert Measurement.objects.count() == 1


def leaves(model: Any) -> set[str]:
    return {fact.split()[0] for fact in observe(model).facts if " r hangs on plant" in fact}


def flush(**options: Any) -> None:
    call_command("flush", interactive=False, verbosity=0, **options)


def test_flush_keeps_partitions_and_gives_rows_back(plant_tables: None) -> None:
    measure()
    before = leaves(Measurement)
    flush()
    assert leaves(Measurement) == before
    config = PartitionConfig.objects.get(model_label="plant.measurement")
    assert {log.table_name for log in config.logs.all()} == before
    assert Measurement.objects.count() == 0
    measure()


def test_flush_that_tells_nobody(plant_tables: None) -> None:
    """TransactionTestCase with available_apps sends no post_migrate: rows come with first use."""
    before = leaves(Measurement)
    flush(inhibit_post_migrate=True, allow_cascade=True)
    assert PartitionConfig.objects.count() == 0
    measure()
    assert maintain("plant.measurement").outcome is Outcome.DONE
    assert {log.table_name for log in Measurement.partitioning.config.logs.all()} == before


def test_flush_with_a_detached_partition_that_refers_to_others(plant_tables: None) -> None:
    """Django does not know the table, and TRUNCATE refuses one that another refers to."""
    log = an_old_one()
    measure(at=OLD)
    log.detach()
    flush()
    assert Machine.objects.count() == 0
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {log.table_name}")
        assert cursor.fetchone() == (0,)
    Measurement.partitioning.create_range(OLD, OLD + dt.timedelta(days=1))
    measure(at=OLD)


def test_flush_with_a_pending_detach(plant_tables: None) -> None:
    log = an_old_one()
    with session("reader") as reader, session("operator") as operator:
        reader.execute("BEGIN")
        reader.execute("SELECT FROM plant_measurement")
        operator.execute("SET statement_timeout = '100ms'")
        with pytest.raises(DatabaseError):
            operator.execute(
                f"ALTER TABLE plant_measurement DETACH PARTITION {log.table_name} CONCURRENTLY"
            )
        reader.execute("COMMIT")
    flush()
    measure()


def test_a_second_migrate_changes_nothing(plant_tables: None) -> None:
    """As ``--reuse-db`` does: migrations are applied, and post_migrate is sent again."""
    change_policy(Measurement, premake=2)
    call_command("migrate", verbosity=0)
    before = observe(Measurement)
    assert len(leaves(Measurement)) == 3
    call_command("migrate", verbosity=0)
    assert not before.difference(observe(Measurement))
    assert PartitionConfig.objects.get(model_label="plant.measurement").premake == 2


def test_a_clone_of_the_test_database(plant_tables: None) -> None:
    """As ``--parallel`` does: copied with CREATE DATABASE ... TEMPLATE, OIDs and all."""
    measure()
    before = observe(Measurement)
    creation = connection.creation
    connections.close_all()
    creation.clone_test_db(suffix="clone", verbosity=0, autoclobber=True)
    clone = creation.get_test_db_clone_settings("clone")["NAME"]

    def work() -> tuple[State, Outcome, Outcome, State]:
        connection.settings_dict["NAME"] = clone
        copied = observe(Measurement)
        idle = maintain("plant.measurement").outcome
        change_policy(Measurement, premake=3)
        measure()
        return copied, idle, maintain("plant.measurement").outcome, observe(Measurement)

    try:
        with forked(work, "parallel") as worker:
            copied, idle, busy, grown = worker.result()
    finally:
        with creation._nodb_cursor() as cursor:  # type: ignore[attr-defined]
            cursor.execute(f'DROP DATABASE "{clone}"')
    assert not before.difference(copied)
    assert (idle, busy) == (Outcome.UNCHANGED, Outcome.DONE)
    assert len(grown.facts) > len(before.facts)
    assert not before.difference(observe(Measurement))
