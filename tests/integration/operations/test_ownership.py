"""What somebody else owns, or another table's comment claims, is not touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.core.management.color import no_style
from django.db import models

from pg_timepart.errors import OperationFailed
from pg_timepart.findings import sentences
from pg_timepart.maintenance.maintain import maintain, maintain_all
from pg_timepart.maintenance.reconcile import reconcile
from pg_timepart.models import PartitionLog
from tests.apps.fleet.models import Ship
from tests.support.command_line import timepart
from tests.support.database import Database, at, outcomes, queries_of_an_idle_pass
from tests.support.processes import session

MAY = at("2024-05-15 10:30")
JANUARY = "fleet_ship_20240101_20240201"
NEXT = "fleet_ship_20240501_20240601"
LIKE = "CREATE TABLE {} (LIKE fleet_ship INCLUDING ALL EXCLUDING IDENTITY)"


@pytest.fixture
def pirate(database: Database) -> Iterator[str]:
    """A role of somebody else."""
    database.execute("CREATE ROLE pirate")
    yield "pirate"
    database.execute("REASSIGN OWNED BY pirate TO CURRENT_USER")
    database.execute("DROP OWNED BY pirate")
    database.execute("DROP ROLE pirate")


@pytest.fixture
def other(database: Database) -> Iterator[Database]:
    """Another tenant: the same table in a schema of its own, with a partition of January."""
    database.execute("CREATE SCHEMA other")
    database.execute(
        "CREATE TABLE other.fleet_ship (LIKE public.fleet_ship) PARTITION BY RANGE (sailed_at)"
    )
    yield database
    database.execute("DROP SCHEMA other CASCADE")


def comment(
    label: str = "fleet.ship", start: str = "2024-01-01", end: str = "2024-02-01", **parent: str
) -> str:
    """Return a mark; of old, unless it names a parent."""
    sides = {"from": f"{start}T00:00:00+00:00", "to": f"{end}T00:00:00+00:00"}
    return "pg_timepart " + json.dumps({"model": label, **sides, **parent})


def put(database: Database, name: str, mark: str, owner: str = "CURRENT_USER") -> str:
    """Make a table like the ships' with this comment, and a row in it; return its name."""
    database.execute(LIKE.format(name))
    database.execute(f"INSERT INTO {name} (id, sailed_at, name) VALUES (1, '2024-01-05', 'Argo')")
    database.execute(f"COMMENT ON TABLE {name} IS %s", mark)
    database.execute(f"ALTER TABLE {name} OWNER TO {owner}")
    return name


def told_by(database: Database, name: str) -> Any:
    """Return what the comment on a table says."""
    text = database.one("SELECT obj_description(%s::regclass, 'pg_class')", name)
    return json.loads(text.removeprefix("pg_timepart "))


def detached_ship(database: Database) -> PartitionLog:
    """Return the row of a detached partition that holds the Argo."""
    (log,) = database.cover(Ship, "2024-01-01", "2024-02-01")
    Ship.objects.create(sailed_at=at("2024-01-05"), name="Argo")
    log.detach()
    log.refresh_from_db()
    return log


def names(database: Database) -> list[str]:
    return [f"{row.schema_name}.{row.table_name}" for row in database.logs(Ship)]


# Adoption


@pytest.mark.parametrize("parent", [{}, {"schema": "public", "table": "fleet_ship"}])
def test_what_is_ours_is_adopted(database: Database, parent: dict[str, str]) -> None:
    put(database, "ours", comment(**parent))
    assert "ours was detached and had no row" in reconcile("fleet.ship").repairs[0].sentence
    database.logs(Ship)[0].attach()
    assert Ship.objects.get().name == "Argo"
    assert told_by(database, "ours")["table"] == "fleet_ship"


def test_a_tenants_partition_is_not_adopted_by_another(other: Database, pirate: str) -> None:
    """Neither with a comment that names its parent, nor with one of old."""
    for parent in ({}, {"schema": "other", "table": "fleet_ship"}):
        put(other, f"other.theirs_{len(parent)}", comment(**parent), owner=pirate)
    assert reconcile("fleet.ship").repairs == ()
    assert names(other) == []


def test_nor_where_both_tenants_have_one_owner(other: Database) -> None:
    put(other, "other.theirs", comment(schema="other", table="fleet_ship"))
    put(other, "other.of_old", comment())
    put(other, "of_old", comment())
    reconcile("fleet.ship")
    assert names(other) == []


def test_nor_where_a_schema_was_copied_with_its_comments(other: Database) -> None:
    put(other, "other.copy", comment(schema="public", table="fleet_ship"))
    reconcile("fleet.ship")
    assert names(other) == []


def test_nor_one_with_our_comment_and_another_owner(database: Database, pirate: str) -> None:
    put(database, "theirs", comment(schema="public", table="fleet_ship"), owner=pirate)
    reconcile("fleet.ship")
    assert names(database) == []


OWN = {
    "trigger": (
        "CREATE TRIGGER spy BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION spy()",
        "the trigger spy",
    ),
    "rule": ("CREATE RULE spy AS ON INSERT TO {} DO ALSO NOTIFY spies", "the rule spy"),
    "row security": ("ALTER TABLE {} ENABLE ROW LEVEL SECURITY", "row security"),
    "forced row security": ("ALTER TABLE {} FORCE ROW LEVEL SECURITY", "row security"),
    "policy": ("CREATE POLICY spy ON {} USING (id > 0)", "the policy spy"),
}


@pytest.fixture
def spy(database: Database) -> Iterator[str]:
    database.execute(
        "CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"
    )
    yield "spy()"
    database.execute("DROP FUNCTION spy CASCADE")


@pytest.mark.parametrize(("statement", "words"), OWN.values(), ids=OWN)
def test_one_with_something_of_its_own_is_neither_adopted_nor_attached(
    database: Database, spy: str, statement: str, words: str
) -> None:
    put(database, "ours", comment(schema="public", table="fleet_ship"))
    database.execute(statement.format("ours"))
    report = reconcile("fleet.ship")
    assert names(database) == []
    assert any("was not adopted" in str(each) and words in str(each) for each in report.notes)
    database.execute("DROP TABLE ours")
    log = detached_ship(database)
    database.execute(statement.format(JANUARY))
    with pytest.raises(OperationFailed, match=f"cannot be attached: public.{JANUARY} has {words}"):
        log.attach()
    assert database.children(Ship) == {}
    Ship.partitioning.delete_partition(log)
    assert not database.exists(JANUARY)


def test_what_the_parent_has_too_is_not_its_own(database: Database, spy: str) -> None:
    log = detached_ship(database)
    for statement in (OWN["policy"][0], OWN["row security"][0]):
        for table in ("fleet_ship", JANUARY):
            database.execute(statement.format(table))
    try:
        log.attach()
        assert JANUARY in database.children(Ship)
    finally:
        database.execute("DROP POLICY spy ON fleet_ship")
        database.execute("ALTER TABLE fleet_ship DISABLE ROW LEVEL SECURITY")


# A table of somebody else that has the next name


def test_a_table_of_somebody_else_with_the_next_name_is_not_attached(
    database: Database, spy: str, pirate: str
) -> None:
    mark = comment(start="2024-05-01", end="2024-06-01", schema="public", table="fleet_ship")
    database.execute(LIKE.format(NEXT))
    database.execute(f"COMMENT ON TABLE {NEXT} IS %s", mark)
    database.execute(OWN["trigger"][0].format(NEXT))
    database.execute(f"ALTER TABLE {NEXT} OWNER TO {pirate}")
    report = maintain("fleet.ship", now=MAY)
    assert sorted(database.children(Ship))[0] == f"{NEXT}_2"
    assert "something that pg_timepart did not make" in report.actions[0].detail
    database.execute(f"ALTER TABLE {NEXT} OWNER TO CURRENT_USER")
    database.execute(f"DROP TABLE {NEXT}_2")
    maintain("fleet.ship", now=MAY)
    assert NEXT not in database.children(Ship)


MALFORMED = {
    "empty bound": '{"model": "fleet.ship", "from": "", "to": ""}',
    "zero": '{"model": "fleet.ship", "from": 0, "to": 0}',
    "list": '["fleet.ship"]',
    "deep": '{"model": "fleet.ship", "from": ' + "[" * 3_000,
    "deeper than is read": "[" * 100_000,
    "reversed": (
        '{"model": "fleet.ship", "from": "2024-02-01T00:00:00+00:00",'
        ' "to": "2024-01-01T00:00:00+00:00"}'
    ),
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_comment_ends_no_run(database: Database, text: str) -> None:
    for name in ("anything", NEXT):
        database.execute(f"CREATE TABLE {name} ()")
        database.execute(f"COMMENT ON TABLE {name} IS %s", f"pg_timepart {text}")
    assert reconcile("fleet.ship").outcome == "unchanged"
    assert {each.label: each.outcome for each in maintain_all(now=MAY)}["fleet.ship"] == "done"
    assert sorted(database.children(Ship))[0] == f"{NEXT}_2"


# What was given away


@pytest.fixture
def given_away(database: Database, pirate: str) -> PartitionLog:
    """The row of a detached partition that belongs to somebody else by now."""
    log = detached_ship(database)
    database.execute(f"ALTER TABLE {JANUARY} OWNER TO {pirate}")
    return log


ON_DETACHED: dict[str, list[str]] = {
    "attach_partition": [],
    "delete_partition": [],
    "move_partition": ["pg_default"],
    "truncate_partition": [],
}


@pytest.mark.parametrize("operation", ON_DETACHED)
def test_what_was_given_to_another_owner_is_left_alone(
    database: Database, given_away: PartitionLog, operation: str
) -> None:
    with pytest.raises(OperationFailed, match=f"public.{JANUARY} belongs to the role pirate"):
        getattr(Ship.partitioning, operation)(given_away, *ON_DETACHED[operation])
    assert database.one(f"SELECT name FROM {JANUARY}") == "Argo"
    assert names(database) == [f"public.{JANUARY}"]
    assert database.runs(Ship)[0].outcome == "failed"


def test_a_pass_drops_the_others_and_keeps_its_row(
    database: Database, given_away: PartitionLog
) -> None:
    for log in database.cover(Ship, "2024-02-01", "2024-03-01"):
        if log.is_attached:
            log.detach()
    PartitionLog.objects.update(detached_at=at("2024-02-01"))
    database.configure(Ship, drop_after=at("2024-02-01") - at("2024-01-01"))
    report = maintain("fleet.ship", now=MAY)
    assert sorted(each for each in outcomes(report) if each[0] == "drop") == [
        ("drop", "done"),
        ("drop", "failed"),
    ]
    assert f"public.{JANUARY}" in names(database)
    assert database.exists(JANUARY)
    shown = "\n".join(timepart("status", "fleet.ship").lines)
    assert "belongs to the role pirate" in shown


def test_its_row_follows_it_when_it_is_renamed(
    database: Database, given_away: PartitionLog
) -> None:
    database.execute(f"ALTER TABLE {JANUARY} RENAME TO booty")
    maintain("fleet.ship", now=MAY)
    assert "public.booty" in names(database)


def test_a_namesake_of_another_owner_is_not_taken_for_what_was_dropped(
    database: Database, pirate: str
) -> None:
    detached_ship(database)
    database.execute(f"DROP TABLE {JANUARY}")
    put(database, JANUARY, comment(schema="public", table="fleet_ship"), owner=pirate)
    maintain("fleet.ship", now=MAY)
    assert f"public.{JANUARY}" not in names(database)


def test_nobody_is_advised_to_be_given_another_owners_role(database: Database, pirate: str) -> None:
    database.cover(Ship, "2024-01-01", "2024-02-01")
    database.execute("CREATE ROLE keeper IN ROLE pg_read_all_stats")
    database.execute("CREATE ROLE boatswain")
    database.execute("GRANT boatswain TO keeper")
    database.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO keeper")
    database.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO keeper")
    database.execute(f"REVOKE ALL ON {JANUARY} FROM keeper")
    try:
        database.execute("ALTER TABLE fleet_ship OWNER TO boatswain")
        database.execute(f"ALTER TABLE {JANUARY} OWNER TO {pirate}")
        database.execute("SET ROLE keeper")
        with suppress(OperationFailed):
            Ship.partitioning.detach_partition(database.logs(Ship), concurrently=False)
        database.execute("RESET ROLE")
        (action,) = database.runs(Ship)[0].actions
        assert "GRANT pirate" not in action["detail"]
        assert f"public.{JANUARY} belongs to the role pirate" in action["detail"]
    finally:
        database.execute("RESET ROLE")
        database.execute("ALTER TABLE fleet_ship OWNER TO CURRENT_USER")
        for role in ("keeper", "boatswain"):
            database.execute(f"DROP OWNED BY {role}")
            database.execute(f"DROP ROLE {role}")


# Comments of old, and names that changed


def marks_of_old(database: Database) -> None:
    """Let all comments be as the last release made them."""
    for row in database.logs(Ship):
        old = comment(start=f"{row.start:%Y-%m-%d}", end=f"{row.end:%Y-%m-%d}")
        database.execute(f"COMMENT ON TABLE {row.table_name} IS %s", old)


def parents_told(database: Database) -> set[tuple[str, str | None, str | None]]:
    """Return what the comments of all recorded partitions say of their parent."""
    told = [
        told_by(database, f"{database.connection.ops.quote_name(row.schema_name)}.{row.table_name}")
        for row in database.logs(Ship)
    ]
    return {(each["model"], each.get("schema"), each.get("table")) for each in told}


def test_a_pass_lets_comments_of_old_name_the_parent(database: Database) -> None:
    detached_ship(database)
    maintain("fleet.ship", now=MAY)
    marks_of_old(database)
    assert parents_told(database) == {("fleet.ship", None, None)}
    report = maintain("fleet.ship", now=MAY)
    assert sentences(report.repairs) == "Comments name public.fleet_ship now: 4 partition(s)."
    assert parents_told(database) == {("fleet.ship", "public", "fleet_ship")}
    assert maintain("fleet.ship", now=MAY).outcome == "unchanged"


def test_so_does_a_pass_over_all_tables(database: Database) -> None:
    maintain_all(now=MAY)
    marks_of_old(database)
    maintain_all(now=MAY)
    assert parents_told(database) == {("fleet.ship", "public", "fleet_ship")}


def test_an_idle_pass_asks_no_more_than_before(database: Database) -> None:
    for row in database.cover(Ship, "2023-01-01", "2023-02-01", "2023-03-01", "2023-04-01"):
        row.detach()
    assert len(queries_of_an_idle_pass(database, MAY)) <= 4


def test_a_persons_comment_is_left_alone(database: Database) -> None:
    detached_ship(database)
    database.execute(f"COMMENT ON TABLE {JANUARY} IS 'ask Ann'")
    maintain("fleet.ship", now=MAY)
    assert database.one(f"SELECT obj_description('{JANUARY}'::regclass)") == "ask Ann"


RENAMINGS = {
    "renamed": (
        "ALTER TABLE fleet_ship RENAME TO fleet_boat",
        "ALTER TABLE fleet_boat RENAME TO fleet_ship",
        ("public", "fleet_boat"),
    ),
    "moved": (
        'ALTER TABLE fleet_ship SET SCHEMA "fleet yard"',
        'ALTER TABLE "fleet yard".fleet_ship SET SCHEMA public',
        ("fleet yard", "fleet_ship"),
    ),
}


@pytest.mark.parametrize(("there", "back", "place"), RENAMINGS.values(), ids=RENAMINGS)
def test_comments_follow_a_parent_that_is_renamed_or_moved(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    there: str,
    back: str,
    place: tuple[str, str],
) -> None:
    log = detached_ship(database)
    maintain("fleet.ship", now=MAY)
    database.execute(there)
    try:
        with called(Ship, '"."'.join(place), monkeypatch):
            maintain("fleet.ship", now=MAY)
            assert parents_told(database) == {("fleet.ship", *place)}
            log.attach()
            quoted = ".".join(map(database.connection.ops.quote_name, place))
            assert database.query(f"SELECT name FROM {quoted}") == ["Argo"]
    finally:
        database.execute(back)


@contextmanager
def called(
    model: type[models.Model], table: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(model._meta, "db_table", table)
        yield


def test_a_table_whose_comment_names_another_table_that_is_there_is_left_to_it(
    other: Database,
) -> None:
    """As two tenants with one owner have, where one had adopted what the other detached."""
    log = detached_ship(other)
    mark = comment(schema="other", table="fleet_ship")
    other.execute(f"COMMENT ON TABLE {JANUARY} IS %s", mark)
    sentence = f"public.{JANUARY} is a partition of other.fleet_ship by its comment"
    with pytest.raises(OperationFailed, match=sentence):
        Ship.partitioning.delete_partition([log])
    assert other.one(f"SELECT name FROM {JANUARY}") == "Argo"
    maintain("fleet.ship", now=MAY)
    assert told_by(other, JANUARY)["schema"] == "other"


def test_one_of_old_that_lies_beside_another_parent_is_that_ones(other: Database) -> None:
    log = detached_ship(other)
    other.execute(f"ALTER TABLE {JANUARY} SET SCHEMA other")
    other.execute(f"COMMENT ON TABLE other.{JANUARY} IS %s", comment())
    maintain("fleet.ship", now=MAY)
    log.refresh_from_db()
    with pytest.raises(OperationFailed, match=r"is a partition of other\.fleet_ship"):
        log.attach()
    assert told_by(other, f"other.{JANUARY}").keys() == {"model", "from", "to"}


def test_a_comment_that_somebody_holds_the_table_against_waits_for_the_next_pass(
    database: Database,
) -> None:
    detached_ship(database)
    marks_of_old(database)
    with session("vacuum") as busy:
        busy.execute("BEGIN")
        busy.execute(f"LOCK TABLE {JANUARY} IN SHARE UPDATE EXCLUSIVE MODE")
        assert maintain("fleet.ship", now=MAY).outcome == "done"
        assert told_by(database, JANUARY).keys() == {"model", "from", "to"}
        busy.execute("COMMIT")
    maintain("fleet.ship", now=MAY)
    assert told_by(database, JANUARY)["table"] == "fleet_ship"


# Deleting a model, and flush


def test_deleting_a_model_drops_no_table_of_another_tenant(other: Database, pirate: str) -> None:
    raft = other.build()
    log = other.cover(raft, "2024-01-01", "2024-02-01")[0]
    raft.partitioning.detach_partition(log)
    other.execute("CREATE TABLE other.fleet_raft (LIKE fleet_raft) PARTITION BY RANGE (at)")
    old = {"label": raft._meta.label_lower}
    for name, mark, owner in (
        ("other.theirs", comment(**old, schema="other", table="fleet_raft"), "CURRENT_USER"),
        ("other.of_old", comment(**old), "CURRENT_USER"),
        ("stolen", comment(**old, schema="public", table="fleet_raft"), pirate),
    ):
        other.execute(f"CREATE TABLE {name} (LIKE fleet_raft)")
        other.execute(f"COMMENT ON TABLE {name} IS %s", mark)
        other.execute(f"ALTER TABLE {name} OWNER TO {owner}")
    with other.connection.schema_editor() as editor:
        editor.delete_model(raft)
    assert not other.exists(log.table_name)
    assert [other.exists(each) for each in ("other.theirs", "other.of_old", "stolen")] == [True] * 3


def test_flush_empties_what_is_ours_alone(other: Database, pirate: str) -> None:
    detached_ship(other)
    put(other, "other.theirs", comment(schema="other", table="fleet_ship"))
    put(other, "stolen", comment(schema="public", table="fleet_ship"), owner=pirate)
    text = " ".join(other.connection.ops.sql_flush(no_style(), ["fleet_ship"]))
    assert (JANUARY in text, "theirs" in text, "stolen" in text) == (True, False, False)
