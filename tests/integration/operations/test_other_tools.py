"""Another tool that still makes the partitions of a table: it is left alone, and named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.apps import apps
from django.core.checks import CheckMessage
from django.utils import timezone

from pg_timepart.checks import check_databases
from pg_timepart.errors import OperationFailed
from pg_timepart.findings import Code, sentences
from pg_timepart.maintenance.maintain import maintain, plan, provision
from pg_timepart.maintenance.preview import preview_pass
from pg_timepart.maintenance.target import target_of
from pg_timepart.post_migrate.provision import NoRoom, after_migrate
from pg_timepart.status import status_of
from tests.apps.fleet.models import Ship
from tests.support.database import Database, at, outcomes

MAY = "2024-05-15 10:30"

# As in pg_partman 5.2: what is asked of it, and some of what surrounds it.
PART_CONFIG = """
CREATE TABLE {schema}.part_config (
    parent_table text NOT NULL PRIMARY KEY,
    control text NOT NULL,
    time_encoder text,
    time_decoder text,
    partition_interval text NOT NULL,
    partition_type text NOT NULL,
    premake int NOT NULL DEFAULT 4,
    automatic_maintenance text NOT NULL DEFAULT 'on',
    template_table text,
    retention text,
    retention_schema text,
    retention_keep_index boolean NOT NULL DEFAULT true,
    retention_keep_table boolean NOT NULL DEFAULT true,
    epoch text NOT NULL DEFAULT 'none',
    constraint_cols text[],
    undo_in_progress boolean NOT NULL DEFAULT false
)
"""
REGISTER = """
WITH made AS (
    INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    VALUES (66600, 'pg_partman', 10, '{schema}'::regnamespace, false, '5.2.4') RETURNING oid
) INSERT INTO pg_depend (classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype)
SELECT 'pg_class'::regclass, '{schema}.part_config'::regclass, 0,
       'pg_extension'::regclass, oid, 0, 'e' FROM made
"""
UNREGISTER = (
    "DELETE FROM pg_depend WHERE refobjid = 66600; DELETE FROM pg_extension WHERE oid = 66600"
)


@contextmanager
def catalog_writable(database: Database) -> Iterator[None]:
    database.execute("SET allow_system_table_mods = on")
    try:
        yield
    finally:
        database.execute("RESET allow_system_table_mods")


@pytest.fixture(params=["partman", 'odd "5%" schema'])
def partman(database: Database, request: pytest.FixtureRequest) -> Iterator[str]:
    """The tables of pg_partman 5, as a member of the extension; gives the schema, quoted."""
    schema = database.connection.ops.quote_name(request.param.replace('"', '""'))
    database.execute(f"CREATE SCHEMA {schema}")
    database.execute(PART_CONFIG.format(schema=schema))
    with catalog_writable(database):
        database.execute(REGISTER.format(schema=schema))
    try:
        yield schema
    finally:
        with catalog_writable(database):
            database.execute(UNREGISTER)
        database.execute(f"DROP SCHEMA {schema} CASCADE")


def register(database: Database, schema: str, automatic: str = "on") -> None:
    database.execute(
        f"INSERT INTO {schema}.part_config (parent_table, control, partition_interval,"
        " partition_type, automatic_maintenance)"
        f" VALUES ('public.fleet_ship', 'sailed_at', '1 mon', 'range', '{automatic}')"
    )


def says(problem: str, *words: str) -> bool:
    return all(each in problem for each in words)


def warned() -> list[CheckMessage]:
    found = check_databases(databases=["default"])
    return [each for each in found if each.id == "pg_timepart.W019"]


def test_nothing_is_made_or_retired_while_pg_partman_does_so(
    database: Database, partman: str
) -> None:
    database.configure(Ship, interval=1)
    database.cover(Ship, "2024-01-01", "2024-02-01", "2024-06-01")
    register(database, partman)
    before = database.ranges(Ship)
    report = maintain("fleet.ship", now=at(MAY))
    assert (report.outcome, report.actions) == ("failed", ())
    assert says(report.reason, "pg_partman manages public.fleet_ship too", "DELETE FROM")
    assert database.ranges(Ship) == before
    assert database.runs(Ship)[0].outcome == "failed"
    assert plan("fleet.ship", now=at(MAY)).actions == ()
    assert preview_pass(target_of(Ship), now=at(MAY)).actions == ()


def test_nor_is_anything_made_by_hand(database: Database, partman: str) -> None:
    database.cover(Ship, "2024-01-01", "2024-02-01")
    register(database, partman)
    with pytest.raises(OperationFailed, match="pg_partman manages"):
        database.cover(Ship, "2024-03-01", "2024-04-01")
    assert outcomes(database.log(Ship, "2024-01-01").detach()) == [("detach", "done")]


def test_what_the_sentence_says_ends_it(database: Database, partman: str) -> None:
    database.configure(Ship, interval=1)
    database.cover(Ship, "2024-01-01", "2024-02-01")
    register(database, partman)
    _, _, statement = maintain("fleet.ship", now=at(MAY)).reason.partition("any more: ")
    database.execute(statement)
    report = maintain("fleet.ship", now=at(MAY))
    assert set(outcomes(report)) == {("create", "done"), ("detach", "done")}


def test_migrate_succeeds_where_pg_partman_covers_now(
    database: Database, partman: str, capsys: pytest.CaptureFixture[str]
) -> None:
    register(database, partman)
    with pytest.raises(NoRoom, match="pg_partman manages"):
        after_migrate(apps.get_app_config("pg_timepart"), using="default")
    database.execute(
        "CREATE TABLE fleet_ship_p PARTITION OF fleet_ship FOR VALUES FROM (now() - interval"
        " '1 day') TO (now() + interval '1 day')"
    )
    capsys.readouterr()
    after_migrate(apps.get_app_config("pg_timepart"), using="default")
    assert says(capsys.readouterr().out, "fleet.ship accepts rows", "pg_partman manages")
    assert len(database.ranges(Ship)) == 1


def test_w019_and_status_name_it(database: Database, partman: str) -> None:
    assert warned() == []
    register(database, partman)
    (message,) = warned()
    assert says(message.msg, "pg_partman manages public.fleet_ship too")
    status = status_of(Ship)
    assert "pg_partman manages" in sentences(status.problems)


def test_its_automatic_maintenance_being_off_is_a_warning(database: Database, partman: str) -> None:
    register(database, partman, automatic="off")
    assert maintain("fleet.ship", now=at(MAY)).outcome == "done"
    assert says(warned()[0].msg, "automatic maintenance off", "DELETE FROM")


@pytest.fixture
def deckhand(database: Database) -> Iterator[str]:
    """A role that may read our tables, and nothing else."""
    database.execute('CREATE ROLE "deck hand"')
    database.execute('GRANT SELECT ON ALL TABLES IN SCHEMA public TO "deck hand"')
    yield '"deck hand"'
    database.execute('DROP OWNED BY "deck hand"')
    database.execute('DROP ROLE "deck hand"')


@contextmanager
def acting_as(database: Database, role: str) -> Iterator[None]:
    database.execute(f"SET ROLE {role}")
    try:
        yield
    finally:
        database.execute("RESET ROLE")


def test_no_right_to_look_is_a_warning(database: Database, partman: str, deckhand: str) -> None:
    register(database, partman)
    target_of(Ship)  # whose config row this role could not make
    with acting_as(database, deckhand):
        assert plan("fleet.ship", now=at(MAY)).actions != ()
        (problem,) = [each for each in status_of(Ship).problems if each.code is Code.OTHER_TOOL]
    for statement in problem.sentence.partition("seen: ")[2].split("; "):
        database.execute(statement)
    with acting_as(database, deckhand):
        assert "pg_partman manages" in sentences(status_of(Ship).problems)


def test_partitions_of_django_postgres_extra(database: Database) -> None:
    database.cover(Ship, "2024-01-01", "2024-02-01", "2024-03-01")
    name = database.log(Ship, "2024-01-01").table_name
    database.execute(f"COMMENT ON TABLE {name} IS 'psqlextra_auto_partitioned'")
    report = maintain("fleet.ship", now=at(MAY))
    assert report.outcome == "failed"
    assert says(report.reason, "django-postgres-extra manages public.fleet_ship too: 1 of its")
    assert says(warned()[0].msg, "psqlextra_auto_partitioned")
    database.execute(f"COMMENT ON TABLE {name} IS NULL")
    assert maintain("fleet.ship", now=at(MAY)).outcome == "done"


def test_a_table_that_is_only_named_so_is_nobody_s(database: Database) -> None:
    database.execute(PART_CONFIG.format(schema="public"))
    register(database, "public")
    assert maintain("fleet.ship", now=at(MAY)).outcome == "done"
    assert warned() == []


def test_the_real_one_goes_on(database: Database) -> None:
    """Debian has it as postgresql-15-partman."""
    if not database.query("SELECT FROM pg_available_extensions WHERE name = 'pg_partman'"):
        pytest.skip("this server has no pg_partman")
    database.execute("CREATE SCHEMA partman")
    database.execute("CREATE EXTENSION pg_partman SCHEMA partman")
    try:
        database.execute(
            "SELECT partman.create_parent('public.fleet_ship', 'sailed_at', %s, %s)",
            *("native", "monthly"),
        )
        database.execute("SELECT partman.run_maintenance()")
        before = database.ranges(Ship)
        database.configure(Ship, premake=24)
        assert provision(target_of(Ship)).outcome == "failed"
        assert database.ranges(Ship) == before
        Ship.objects.create(sailed_at=timezone.now())
        database.execute("UPDATE partman.part_config SET premake = 8")
        database.execute("SELECT partman.run_maintenance()")
        assert len(database.ranges(Ship)) == len(before) + 4
    finally:
        database.execute("DROP SCHEMA partman CASCADE")
