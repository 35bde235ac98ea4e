"""Moving partitions between tablespaces."""

from __future__ import annotations

import pytest

from pg_timepart.errors import OperationFailed
from pg_timepart.maintenance.maintain import maintain
from tests.apps.fleet.models import Cargo, Port, Ship
from tests.support.database import Database, Tablespaces, at, outcomes, rolled_back
from tests.support.processes import die_at

CARGO = "fleet_cargo_20240101_20240201"


def loaded(database: Database) -> None:
    database.cover(Cargo, "2024-01-01", "2024-02-01")
    port = Port.objects.create(name="Lisbon")
    Cargo.objects.create(loaded_at=at("2024-01-15"), port=port, code="a")


@pytest.mark.parametrize("is_attached", [True, False])
def test_the_table_and_all_its_indexes_move(
    database: Database, tablespaces: Tablespaces, is_attached: bool
) -> None:
    loaded(database)
    log = database.log(Cargo, "2024-01-01")
    if not is_attached:
        log.detach()
    for name in (tablespaces.cold, tablespaces.odd, "pg_default"):
        assert outcomes(log.set_tablespace(name)) == [("move", "done")]
        assert database.tablespaces(CARGO) == {name}
    assert database.one(f"SELECT code FROM {CARGO}") == "a"
    assert database.log(Cargo, "2024-01-01").unfinished == ""
    assert (CARGO in database.children(Cargo)) == is_attached


def test_an_index_that_strayed_is_fetched(database: Database, tablespaces: Tablespaces) -> None:
    loaded(database)
    index = database.query(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = %s::regclass", CARGO
    )[0]
    database.execute(f"ALTER INDEX {index} SET TABLESPACE {tablespaces.cold}")
    database.log(Cargo, "2024-01-01").set_tablespace("pg_default")
    assert database.tablespaces(CARGO) == {"pg_default"}


def test_moving_it_to_where_it_is_changes_nothing(
    database: Database, tablespaces: Tablespaces
) -> None:
    loaded(database)
    log = database.log(Cargo, "2024-01-01")
    log.set_tablespace(tablespaces.cold)
    node = database.one("SELECT pg_relation_filenode(%s)", CARGO)
    log.set_tablespace(tablespaces.cold)
    assert database.one("SELECT pg_relation_filenode(%s)", CARGO) == node


def test_an_unknown_tablespace_is_named_with_the_known_ones(database: Database) -> None:
    loaded(database)
    log = database.log(Cargo, "2024-01-01")
    with pytest.raises(OperationFailed) as caught:
        log.set_tablespace("nowhere")
    assert "There is no tablespace named 'nowhere'. Known: " in str(caught.value)
    assert "pg_default" in str(caught.value)
    assert "pg_global" not in str(caught.value)
    log.refresh_from_db()
    assert (log.unfinished, log.wanted_tablespace) == ("", "")
    assert database.tablespaces(CARGO) == {"pg_default"}


def test_in_a_transaction_it_is_part_of_it(database: Database, tablespaces: Tablespaces) -> None:
    loaded(database)
    with rolled_back():
        database.log(Cargo, "2024-01-01").set_tablespace(tablespaces.cold)
        assert database.tablespaces(CARGO) == {tablespaces.cold}
    assert database.tablespaces(CARGO) == {"pg_default"}


def test_a_move_that_was_interrupted_is_ended_by_the_next_pass(
    database: Database, tablespaces: Tablespaces
) -> None:
    database.cover(Ship, "2024-01-01", "2024-02-01")
    log = database.log(Ship, "2024-01-01")
    log.detach()
    log.refresh_from_db()
    die_at("SET TABLESPACE", lambda: log.set_tablespace(tablespaces.cold))
    assert database.tablespaces(log.table_name) == {"pg_default"}
    report = maintain("fleet.ship", now=at("2024-05-15"))
    assert ("move", "done") in outcomes(report)
    assert database.tablespaces(log.table_name) == {tablespaces.cold}
    log.refresh_from_db()
    assert (log.unfinished, log.wanted_tablespace) == ("", "")


def test_to_the_tablespace_of_the_database(database: Database, tablespaces: Tablespaces) -> None:
    home = database.one(
        "SELECT spcname FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace"
        " WHERE datname = current_database()"
    )
    database.execute(f'CREATE INDEX ship_away ON fleet_ship (name) TABLESPACE "{tablespaces.fast}"')
    database.configure(Ship, attach_tablespace=home)
    database.cover(Ship, "2024-01-01", "2024-02-01")
    log = database.log(Ship, "2024-01-01")
    assert database.tablespaces(log.table_name) == {"pg_default"}
    log.detach()
    for name in (tablespaces.cold, home):
        assert outcomes(log.set_tablespace(name)) == [("move", "done")]
    assert outcomes(log.attach()) == [("attach", "done")]
    assert database.tablespaces(log.table_name) == {"pg_default"}
    database.execute("DROP INDEX ship_away")


def test_event_triggers_find_what_they_found_before(
    database: Database, tablespaces: Tablespaces
) -> None:
    """Those of people name their tables without a schema."""
    database.cover(Ship, "2024-01-01", "2024-02-01")
    database.execute("CREATE TABLE fleet_noted (what text)")
    database.execute(
        "CREATE FUNCTION fleet_note() RETURNS event_trigger LANGUAGE plpgsql"
        " AS $$ BEGIN INSERT INTO fleet_noted VALUES (tg_tag); END $$"
    )
    database.execute(
        "CREATE EVENT TRIGGER fleet_notes ON ddl_command_end EXECUTE FUNCTION fleet_note()"
    )
    try:
        database.log(Ship, "2024-01-01").set_tablespace(tablespaces.odd)
    finally:
        database.execute("DROP EVENT TRIGGER fleet_notes")
        database.execute("DROP FUNCTION fleet_note")
    assert database.query("SELECT DISTINCT what FROM fleet_noted ORDER BY 1") == [
        "ALTER INDEX",
        "ALTER TABLE",
    ]
