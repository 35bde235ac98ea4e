"""Somebody who may create in a schema on search_path is run by no statement of ours."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection, models, transaction
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from pg_timepart.constants import Outcome
from pg_timepart.errors import OperationFailed
from pg_timepart.maintenance.target import config_of
from pg_timepart.models import PartitionRun
from pg_timepart.post_migrate.provision import NoRoom, after_migrate
from pg_timepart.postgres.lock_holders import NAMESPACE
from tests.apps.plant.models import Measurement, Reading
from tests.faults.own_server import OwnServer
from tests.faults.shadowing_objects import TrapServer, make_traps, others_marked
from tests.faults.test_search_path import search_path
from tests.support.all_scenarios import ALL_SCENARIOS
from tests.support.database import Database
from tests.support.processes import session
from tests.support.scenarios import NOW, OLD, execute, old_partition, prepare_old, run_pass


@pytest.fixture(scope="module")
def traps(own_server: OwnServer, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The schema ``evil``, for as long as this module's tests run."""
    with django_db_blocker.unblock(), own_server.database():
        make_traps()
        yield
        execute("DROP SCHEMA evil CASCADE")


@pytest.fixture
def trapped(database: OwnServer, traps: None) -> Iterator[TrapServer]:
    """A search_path that finds traps first; each new session has it."""
    with search_path("evil, public, pg_catalog"):
        yield TrapServer(database)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("SELECT 1::pg_catalog.oid = 1", "="),
        ("SELECT 1 WHERE 'a'::pg_catalog.name LIKE 'a'", "~~"),
        ("SELECT * FROM unnest('{a}'::pg_catalog.text[])", "unnest"),
        ("SELECT json_build_object('a', 'b')", "json_build_object"),
        ("SELECT pg_catalog.count(*) FROM pg_catalog.pg_class WHERE oid IN (1)", "="),
        ("SELECT 'a'::text", "text"),
        ("SELECT 2.0 * interval '1 second'", "*"),
        ("SELECT json_agg('{}'::pg_catalog.json)", "json_agg"),
    ],
)
def test_a_trap_is_one(trapped: TrapServer, statement: str, found: str) -> None:
    execute(statement)
    assert found in [each.partition(" ")[0] for each in trapped.news()]


@pytest.mark.parametrize("name", ALL_SCENARIOS)
def test_an_operation(trapped: TrapServer, archive: str, name: str) -> None:
    with others_marked():
        scenario = ALL_SCENARIOS[name](archive)
        scenario.prepare()
        scenario.operate()
        run = PartitionRun.objects.latest("pk")
        assert run.outcome == Outcome.DONE, run.message
    assert trapped.news() == []


def commands() -> None:
    """Ask and tell as a person does."""
    prepare_old(Reading, interval=2)()
    for word in ("status", "plan", "reconcile", "maintain"):
        with suppress(CommandError):  # of a status that is not well
            call_command("timepart", word, "plant.reading", stdout=StringIO())
    call_command("check", databases=["default"], stdout=StringIO(), stderr=StringIO())
    call_command("sqlflush", stdout=StringIO())
    with suppress(NoRoom):  # for tables of other apps, which are not there
        after_migrate(apps.get_app_config("pg_timepart"), using="default", stdout=StringIO())


def in_a_transaction() -> None:
    """Everything that may be in a transaction of the caller."""
    prepare_old(Measurement)()
    with transaction.atomic():
        old = old_partition(Measurement)
        old.detach(concurrently=False)
        old.attach()
        Measurement.partitioning.truncate_partition(old)


def giving_way() -> None:
    """Somebody holds the table, then the advisory lock: the run looks who that is."""
    prepare_old(Measurement, interval=2)()
    with session("holder") as holder, override_settings(PG_TIMEPART={"LOCK_WAIT_SECONDS": 0.2}):
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE plant_measurement")
        assert run_pass(Measurement) is Outcome.DEFERRED
        holder.execute("ROLLBACK")
        holder.execute(
            "SELECT pg_advisory_lock(%s, 'plant_measurement'::regclass::int)", [NAMESPACE]
        )
        assert run_pass(Measurement) is Outcome.DEFERRED
        assert "holder" in PartitionRun.objects.latest("pk").message


def a_missing_right() -> None:
    """The role of the session may not do it: the run finds out what to grant."""
    execute("CREATE ROLE beggar", "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO beggar")
    execute("GRANT UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO beggar")
    execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO beggar", "SET ROLE beggar")
    try:
        with pytest.raises(OperationFailed, match="GRANT"):
            Reading.partitioning.create_range(OLD, NOW)
    finally:
        execute("RESET ROLE", "DROP OWNED BY beggar", "DROP ROLE beggar")


def a_model_comes_and_goes() -> None:
    """A table is made and dropped, with what was detached from it."""
    raft = Database().build(replica=models.IntegerField(null=True))
    raft.partitioning.create_range(OLD, NOW)
    raft.partitioning.detach_partition(config_of(raft).logs.all())
    with connection.schema_editor() as editor:
        editor.delete_model(raft)
    config_of(raft).delete()


def all_that_like_leaves_out() -> None:
    """A parent with a policy, a replica identity by index, storage parameters and grants."""
    prepare_old(Reading)()
    execute(
        "CREATE UNIQUE INDEX plant_by_value ON public.plant_reading (at, value)",
        "ALTER TABLE plant_reading ALTER value SET NOT NULL",
        "ALTER TABLE plant_reading REPLICA IDENTITY USING INDEX plant_by_value",
        "CREATE POLICY late ON plant_reading USING (value > 0 OR lower('A') = 'a')",
        "GRANT SELECT (value), INSERT ON plant_reading TO PUBLIC",
    )
    try:
        next_day = NOW + dt.timedelta(days=9)
        Reading.partitioning.create_range(next_day, next_day + dt.timedelta(days=1))
    finally:
        execute(
            "ALTER TABLE plant_reading REPLICA IDENTITY DEFAULT",
            "DROP INDEX plant_by_value",
            "DROP POLICY late ON plant_reading",
            "REVOKE SELECT (value), INSERT ON plant_reading FROM PUBLIC",
        )


@pytest.mark.parametrize(
    "work",
    [
        commands,
        in_a_transaction,
        giving_way,
        a_missing_right,
        a_model_comes_and_goes,
        all_that_like_leaves_out,
    ],
)
def test_whatever_else_is_asked_of_the_server(
    trapped: TrapServer, work: Callable[[], None]
) -> None:
    with others_marked():
        work()
    assert trapped.news() == []
