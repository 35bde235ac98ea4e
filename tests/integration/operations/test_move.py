"""Moving partitions between tablespaces."""

from __future__ import annotations

import pytest

from pg_timepart.errors import OperationFailed
from pg_timepart.maintenance.maintain import maintain
from tests.apps.fleet.models import Cargo, Port, Ship
from tests.support.database import Tablespaces, Yard, at, outcomes, rolled_back

pytest_plugins = ("tests.support.database_fixtures",)

CARGO = "fleet_cargo_20240101_20240201"


def loaded(yard: Yard) -> None:
    yard.cover(Cargo, "2024-01-01", "2024-02-01")
    port = Port.objects.create(name="Lisbon")
    Cargo.objects.create(loaded_at=at("2024-01-15"), port=port, code="a")


@pytest.mark.parametrize("is_attached", [True, False])
def test_the_table_and_all_its_indexes_move(
    yard: Yard, tablespaces: Tablespaces, is_attached: bool
) -> None:
    loaded(yard)
    log = yard.log(Cargo, "2024-01-01")
    if not is_attached:
        log.detach()
    for name in (tablespaces.cold, tablespaces.odd, "pg_default"):
        assert outcomes(log.set_tablespace(name)) == [("move", "done")]
        assert yard.tablespaces(CARGO) == {name}
    assert yard.one(f"SELECT code FROM {CARGO}") == "a"
    assert yard.log(Cargo, "2024-01-01").unfinished == ""
    assert (CARGO in yard.children(Cargo)) == is_attached


def test_an_index_that_strayed_is_fetched(yard: Yard, tablespaces: Tablespaces) -> None:
    loaded(yard)
    index = yard.query(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = %s::regclass", CARGO
    )[0]
    yard.execute(f"ALTER INDEX {index} SET TABLESPACE {tablespaces.cold}")
    yard.log(Cargo, "2024-01-01").set_tablespace("pg_default")
    assert yard.tablespaces(CARGO) == {"pg_default"}


def test_moving_it_to_where_it_is_changes_nothing(yard: Yard, tablespaces: Tablespaces) -> None:
    loaded(yard)
    log = yard.log(Cargo, "2024-01-01")
    log.set_tablespace(tablespaces.cold)
    node = yard.one("SELECT pg_relation_filenode(%s)", CARGO)
    log.set_tablespace(tablespaces.cold)
    assert yard.one("SELECT pg_relation_filenode(%s)", CARGO) == node


def test_an_unknown_tablespace_is_named_with_the_known_ones(yard: Yard) -> None:
    loaded(yard)
    log = yard.log(Cargo, "2024-01-01")
    with pytest.raises(OperationFailed) as caught:
        log.set_tablespace("nowhere")
    assert "There is no tablespace named 'nowhere'. Known: " in str(caught.value)
    assert "pg_default" in str(caught.value)
    assert "pg_global" not in str(caught.value)
    log.refresh_from_db()
    assert (log.unfinished, log.wanted_tablespace) == ("", "")
    assert yard.tablespaces(CARGO) == {"pg_default"}


def test_in_a_transaction_it_is_part_of_it(yard: Yard, tablespaces: Tablespaces) -> None:
    loaded(yard)
    with rolled_back():
        yard.log(Cargo, "2024-01-01").set_tablespace(tablespaces.cold)
        assert yard.tablespaces(CARGO) == {tablespaces.cold}
    assert yard.tablespaces(CARGO) == {"pg_default"}


def test_a_move_that_was_interrupted_is_ended_by_the_next_pass(
    yard: Yard, tablespaces: Tablespaces
) -> None:
    yard.cover(Ship, "2024-01-01", "2024-02-01")
    log = yard.log(Ship, "2024-01-01")
    log.detach()
    log.refresh_from_db()
    log.unfinished, log.is_asked, log.wanted_tablespace = "move", True, tablespaces.cold
    log.save()
    report = maintain("fleet.ship", now=at("2024-05-15"))
    assert ("move", "done") in outcomes(report)
    assert yard.tablespaces(log.table_name) == {tablespaces.cold}
    log.refresh_from_db()
    assert (log.unfinished, log.wanted_tablespace) == ("", "")


def test_to_the_tablespace_of_the_database(yard: Yard, tablespaces: Tablespaces) -> None:
    home = yard.one(
        "SELECT spcname FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace"
        " WHERE datname = current_database()"
    )
    yard.execute(f'CREATE INDEX ship_away ON fleet_ship (name) TABLESPACE "{tablespaces.fast}"')
    yard.configure(Ship, attach_tablespace=home)
    yard.cover(Ship, "2024-01-01", "2024-02-01")
    log = yard.log(Ship, "2024-01-01")
    assert yard.tablespaces(log.table_name) == {"pg_default"}
    log.detach()
    for name in (tablespaces.cold, home):
        assert outcomes(log.set_tablespace(name)) == [("move", "done")]
    assert outcomes(log.attach()) == [("attach", "done")]
    assert yard.tablespaces(log.table_name) == {"pg_default"}
    yard.execute("DROP INDEX ship_away")


def test_event_triggers_find_what_they_found_before(yard: Yard, tablespaces: Tablespaces) -> None:
    """Those of people name their tables without a schema."""
    yard.cover(Ship, "2024-01-01", "2024-02-01")
    yard.execute("CREATE TABLE fleet_noted (what text)")
    yard.execute(
        "CREATE FUNCTION fleet_note() RETURNS event_trigger LANGUAGE plpgsql"
        " AS $$ BEGIN INSERT INTO fleet_noted VALUES (tg_tag); END $$"
    )
    yard.execute(
        "CREATE EVENT TRIGGER fleet_notes ON ddl_command_end EXECUTE FUNCTION fleet_note()"
    )
    try:
        yard.log(Ship, "2024-01-01").set_tablespace(tablespaces.odd)
    finally:
        yard.execute("DROP EVENT TRIGGER fleet_notes")
        yard.execute("DROP FUNCTION fleet_note")
    assert yard.query("SELECT DISTINCT what FROM fleet_noted ORDER BY 1") == [
        "ALTER INDEX",
        "ALTER TABLE",
    ]
