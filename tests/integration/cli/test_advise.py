"""``timepart advise``: recorded statements that ask all partitions, and what would help.

Most of it needs a server with pg_stat_statements, which the wheel's has not, and npm's have:
``PG_VERSION=17``. Where it is not, what is said instead is tested.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, models
from django.utils import timezone

from pg_timepart.postgres.generic_plans import NotPlanned, generic_plan, planning_connection
from pg_timepart.schema.registry import only_decorated
from pg_timepart.status.advice import advice_on
from pg_timepart.status.advice_types import StatementAdvice, TableAdvice
from tests.apps.fleet.models import Cargo, Ship
from tests.support.command_line import NOWHERE, run_timepart, timepart
from tests.support.database import Database, at, rolled_back

MARCH, APRIL = at("2024-03-01"), at("2024-04-01")


def has_extension(database: Database) -> bool:
    loaded = database.one("SELECT current_setting('pg_stat_statements.max', true) IS NOT NULL")
    return loaded is True


@pytest.fixture
def fleet(database: Database) -> Database:
    """Ships in three partitions, a month each."""
    database.cover(Ship, "2024-02-01", "2024-03-01", "2024-04-01", "2024-05-01")
    return database


@pytest.fixture
def recorder(fleet: Database) -> Iterator[Database]:
    """The same, on a server that records statements, in a schema that no path has."""
    if not has_extension(fleet):
        pytest.skip("This PostgreSQL has no pg_stat_statements: try PG_VERSION=17.")
    fleet.execute("CREATE SCHEMA IF NOT EXISTS stats")
    fleet.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA stats")
    fleet.one("SELECT stats.pg_stat_statements_reset() IS NULL")
    yield fleet
    fleet.execute("DROP SCHEMA stats CASCADE")


def advised(**options: Any) -> TableAdvice:
    (found,) = advice_on(["fleet.ship"], **options)
    assert not found.problems
    return found


def only(found: TableAdvice) -> StatementAdvice:
    (statement,) = found.statements
    return statement


@contextmanager
def role(database: Database, name: str, *grants: str) -> Iterator[None]:
    """A role that is there while the block runs, with ``grants``, each ending in TO."""
    database.execute(f"CREATE ROLE {name}")
    try:
        for each in grants:
            database.execute(f"GRANT {each} TO {name}")
        yield
    finally:
        database.execute(f"DROP OWNED BY {name}")
        database.execute(f"DROP ROLE {name}")


def test_statements_that_prune_are_not_reported(recorder: Database) -> None:
    Ship.objects.create(sailed_at=MARCH)
    list(Ship.objects.filter(sailed_at__gte=MARCH, sailed_at__lt=APRIL))
    list(Ship.objects.filter(sailed_at__in=[MARCH, APRIL]))
    list(Ship.objects.filter(sailed_at__gte=timezone.now(), name="x"))
    Ship.objects.filter(sailed_at=MARCH).update(name="y")
    Ship.objects.filter(sailed_at=MARCH).delete()

    found = advised()

    assert (found.statements, found.examined >= 6, found.notes) == ([], True, [])
    assert found.since is not None
    ended = timepart("advise", "fleet.ship")
    assert (ended.status, ended.error) == (0, "")
    assert "statements recorded since" in ended.lines[0]


def test_a_statement_that_asks_all_is_told_with_calls_time_and_filter(recorder: Database) -> None:
    for number in range(3):
        list(Ship.objects.filter(name=f"Argo {number}"))

    found = only(advised())

    assert (found.calls, found.partitions, found.reason) == (3, 3, "other_conditions")
    assert found.filter == "sailed_at >= ... AND sailed_at < ..."
    assert found.total_ms > 0
    assert '"name" = $1' in found.query
    ended = timepart("advise", "fleet.ship")
    assert (ended.status, ended.error) == (4, "fleet.ship: statements ask all partitions.")
    assert "3 calls, " in ended.out
    assert "say nothing of the key sailed_at. Add sailed_at >= ... AND" in ended.out
    (shown,) = timepart("advise", "--json", "fleet.ship").json
    assert shown["statements"] == [found.as_json()]


@pytest.mark.parametrize(
    ("query", "reason", "words"),
    [
        (lambda: Ship.objects.filter(pk=7).first(), "by_primary_key", "filter(id=..., sailed_at="),
        (lambda: Ship.objects.filter(pk=7).update(name="x"), "by_primary_key", "PRUNE_INSTANCES"),
        (lambda: list(Ship.objects.filter(sailed_at__date=MARCH)), "key_in_expression", "a cast"),
        (Ship.objects.count, "whole_table", "a total needs every partition"),
        (lambda: list(Ship.objects.order_by("-sailed_at")[:5]), "limit_alone", "from when on"),
    ],
)
def test_why_it_asks_all_is_told(recorder: Database, query: Any, reason: str, words: str) -> None:
    query()

    found = only(advised())

    assert (found.reason, words in found.sentence) == (reason, True)


def test_a_key_that_carries_its_time_is_helped_by_during(recorder: Database) -> None:
    model = recorder.build(key="id", key_format="uuid7", id=models.UUIDField(primary_key=True))
    for start, end in (("2024-02-01", "2024-03-01"), ("2024-03-01", "2024-04-01")):
        model.partitioning.create_range(at(start), at(end))
    with only_decorated(model):
        list(model.objects.filter(pk=uuid.UUID(int=0)))
        list(model.partitioning.during(MARCH, APRIL))
        list(model.objects.filter(at__gte=MARCH))
        (found,) = advice_on([model._meta.label_lower])

    assert only(found).filter == "Raft.partitioning.during(start, end)"


def test_joins_and_views_are_judged(recorder: Database) -> None:
    recorder.cover(Cargo, "2024-02-01", "2024-03-01", "2024-04-01")
    recorder.execute("CREATE VIEW calls AS SELECT id, name FROM fleet_ship")
    recorder.query("SELECT * FROM calls WHERE name = 'through a view'")
    recorder.query(
        "SELECT c.id FROM fleet_cargo c JOIN fleet_ship s USING (id)"
        " WHERE s.sailed_at = '2024-03-02Z'"
    )

    ships, cargo = advice_on(["fleet.ship", "fleet.cargo"])

    assert "calls" in only(ships).query
    assert "JOIN" in only(cargo).query


def test_what_may_prune_while_it_runs_is_told_as_such(recorder: Database) -> None:
    recorder.execute("CREATE TABLE dates (date timestamptz)")
    recorder.query("SELECT * FROM fleet_ship WHERE sailed_at = (SELECT max(date) FROM dates)")

    found = advised()

    assert found.statements == []
    assert "shows only while they run (EXPLAIN ANALYZE)" in found.notes[0].sentence


# A text in the view is a stranger's: it must neither run nor stop the rest.


def test_what_is_no_single_statement_is_refused_and_told(recorder: Database) -> None:
    recorder.query("SELECT 1 FROM fleet_ship /* ; DROP TABLE fleet_ship_20240201_20240301 */")
    recorder.query('SELECT 1, 2 AS "; DROP TABLE x" FROM fleet_ship')
    recorder.query("SELECT 1 FROM fleet_ship WHERE sailed_at > now() - interval '1 day'")

    found = advised()

    refused, unplanned = (each.sentence for each in found.notes)
    assert refused.startswith("2 could not be planned: there is a semicolon in it")
    assert unplanned.startswith("1 could not be planned: it is recorded with $1 where only a")
    assert recorder.exists("fleet_ship_20240201_20240301")


def test_a_function_of_another_role_does_not_run_with_our_rights(recorder: Database) -> None:
    """Planning runs IMMUTABLE functions; so who ran a statement must have had our rights."""
    with role(recorder, "stranger", "SELECT ON fleet_ship", "CREATE ON SCHEMA public"):
        recorder.execute("SET ROLE stranger")
        recorder.execute(
            "CREATE FUNCTION trap() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN"
            " IF current_user <> 'stranger' THEN RAISE 'ran as %', current_user; END IF;"
            " RETURN 1; END $$"
        )
        recorder.query("SELECT id FROM fleet_ship WHERE id = trap()")
        recorder.execute("RESET ROLE")

        found = advised()
        with planning_connection(connection) as own, pytest.raises(NotPlanned, match="ran as"):
            generic_plan(own, "SELECT id FROM fleet_ship WHERE id = trap()", lock_ms=50)

    assert (found.statements, found.examined) == ([], 0)
    (note,) = found.notes
    assert "1 of other roles (stranger) were not looked at" in note.sentence


def test_planning_changes_nothing_and_leaves_nothing(recorder: Database) -> None:
    recorder.execute("CREATE TABLE touched (n int)")
    recorder.execute(
        "CREATE FUNCTION hidden() RETURNS void LANGUAGE sql AS 'INSERT INTO touched VALUES (1)'"
    )
    recorder.execute(
        "CREATE FUNCTION writes() RETURNS int IMMUTABLE LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM hidden(); RETURN 1; END $$"
    )
    recorder.query("SELECT id FROM fleet_ship WHERE id = writes()")
    assert recorder.query("SELECT n FROM touched")
    recorder.execute("DELETE FROM touched")
    Ship.objects.filter(name="x").update(name="y")

    found = advised()

    assert recorder.query("SELECT n FROM touched") == []
    assert any("read-only transaction" in each.sentence for each in found.notes)
    assert [each.reason for each in found.statements] == ["other_conditions"]


def test_statements_that_this_role_may_not_see_are_told(recorder: Database) -> None:
    list(Ship.objects.filter(name="x"))
    grants = ("USAGE ON SCHEMA stats", "SELECT ON ALL TABLES IN SCHEMA public")
    with role(recorder, "reader", *grants):
        found = advised_as("reader")

    assert found.examined == 0
    assert "are hidden from this one" in found.notes[0].sentence


def advised_as(name: str) -> TableAdvice:
    """Return the advice as another role sees it."""
    options = connection.settings_dict["OPTIONS"]
    before = options.get("assume_role")
    options["assume_role"] = name
    try:
        return advised()
    finally:
        options["assume_role"] = before
        if before is None:
            del options["assume_role"]


def test_a_table_of_the_extensions_name_is_not_believed(recorder: Database) -> None:
    recorder.execute(
        "CREATE TABLE public.pg_stat_statements AS SELECT 1::bigint AS queryid,"
        " 'SELECT 1 FROM fleet_ship'::text AS query"
    )

    assert advised().statements == []


def test_no_more_than_the_limit_is_looked_at(recorder: Database) -> None:
    for length in range(1, 4):
        list(Ship.objects.values_list(*["name"] * length).filter(name="x"))

    found = advised(limit=2)

    assert (found.examined, len(found.statements)) == (2, 2)
    assert "with less time were not looked at: --limit" in found.notes[0].sentence


def test_a_locked_table_is_not_waited_for(recorder: Database) -> None:
    list(Ship.objects.filter(name="x"))
    with rolled_back():
        recorder.execute("LOCK TABLE fleet_ship IN ACCESS EXCLUSIVE MODE")
        found = advised()

    assert "lock timeout" in found.notes[0].sentence


def test_without_the_extension_a_sentence_says_how_to_get_it(fleet: Database) -> None:
    ended = timepart("advise", "fleet.ship")

    assert (ended.status, ended.error) == (1, "fleet.ship: cannot be advised on.")
    assert "no extension pg_stat_statements, which records what statements cost" in ended.out
    assert "shared_preload_libraries" in ended.out
    assert "CREATE EXTENSION pg_stat_statements" in ended.out
    (found,) = timepart("advise", "--json", "fleet.ship").json
    assert found["findings"][0]["code"] == "statements_unknown"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fleet.boat"], "no partitioned model named 'fleet.boat'"),
        (["--database", "nowhere"], "no database named 'nowhere'. Known: default, other"),
        (["--limit", "0"], "must be at least 1"),
    ],
)
@pytest.mark.usefixtures("database")
def test_a_wrong_command_line_is_refused(arguments: list[str], words: str) -> None:
    ended = run_timepart("advise", *arguments)

    assert (ended.status, words in ended.error) == (2, True), ended.error


@pytest.mark.usefixtures("database")
def test_a_database_that_is_away_is_told() -> None:
    ended = run_timepart("advise", "fleet.ship", url=NOWHERE)

    assert ended.status == 1
    assert ended.error.strip() == "CommandError: fleet.ship: cannot be advised on."
    assert "The database 'default' cannot be read." in ended.out
