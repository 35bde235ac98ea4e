"""``timepart plan``: the SQL of a pass, which run by hand does what the pass does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError, models

from pg_timepart.constants import Outcome
from pg_timepart.maintenance import maintain
from pg_timepart.maintenance.reconcile import reconcile
from pg_timepart.models import PartitionLog, PartitionRun
from pg_timepart.postgres.catalog import read_commented
from tests.apps.fleet.models import Cargo, Crossing, Mooring, Port, Ship
from tests.support.command_line import run_timepart, second_connection, timepart
from tests.support.database import Database, at
from tests.support.processes import die_at
from tests.support.tablespaces import tablespaces_named

ARCHIVE = 'fleet archive "5%" ß'
MARCH = at("2001-03-05")

# What hangs on a table or did once, by its comment, and all that belongs to each.
SHAPE = """
SELECT c.oid::regclass::text, i.inhparent::regclass::text, pg_get_expr(c.relpartbound, c.oid),
       i.inhdetachpending, obj_description(c.oid, 'pg_class'), c.relacl::text, s.spcname,
       ARRAY(SELECT format('%%s in %%s', pg_get_indexdef(x.indexrelid), xs.spcname)
        FROM pg_index x JOIN pg_class xc ON xc.oid = x.indexrelid
        LEFT JOIN pg_tablespace xs ON xs.oid = xc.reltablespace
        WHERE x.indrelid = c.oid ORDER BY 1),
       ARRAY(SELECT format('%%s %%s', k.convalidated, pg_get_constraintdef(k.oid))
        FROM pg_constraint k WHERE k.conrelid = c.oid ORDER BY 1)
FROM pg_class c
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
WHERE c.relkind = 'r' AND (i.inhparent = %s::regclass
                           OR starts_with(obj_description(c.oid, 'pg_class'), %s))
ORDER BY 1
"""

FREIGHT: dict[Any, Callable[[], Any]] = {
    Ship: lambda: Ship.objects.create(sailed_at=MARCH),
    Mooring: lambda: Mooring.objects.create(at=MARCH),
    Cargo: lambda: Cargo.objects.create(
        loaded_at=MARCH, port=Port.objects.create(name="Ithaca"), code="x"
    ),
}


@pytest.fixture
def archive(database: Database) -> Iterator[str]:
    """A second tablespace whose name needs care."""
    with tablespaces_named(ARCHIVE):
        yield ARCHIVE
        for name in database.query(
            "SELECT c.oid::regclass::text FROM pg_class c"
            " JOIN pg_tablespace t ON t.oid = c.reltablespace WHERE spcname = %s AND relkind = 'r'",
            ARCHIVE,
        ):
            database.execute(f"DROP TABLE {name}")


def label(model: type[models.Model]) -> str:
    return model._meta.label_lower


def shape(database: Database, model: type[models.Model]) -> list[Any]:
    """Return what the catalog says of the model's partitions, attached or not."""
    return database.query(SHAPE, database.table(model), f'pg_timepart {{"model": "{label(model)}"')


def prepare(database: Database, model: type[models.Model], **policy: Any) -> None:
    """Make a table on which a pass has one of each thing to do."""
    for left in read_commented(database.connection):
        database.execute(f"DROP TABLE {database.one('SELECT %s::oid::regclass::text', left.oid)}")
    database.empty()
    gone, pinned, _ = database.cover(model, "2001-01-01", "2001-02-01", "2001-03-01", "2001-04-01")
    FREIGHT[model]()
    model.partitioning.detach_partition(gone)  # type: ignore[attr-defined]
    PartitionLog.objects.filter(pk=gone.pk).update(detached_at=MARCH)
    PartitionLog.objects.filter(pk=pinned.pk).update(detach_time=at("2100-01-01"))
    database.configure(model, interval=2, **policy)


def script(*arguments: str) -> list[str]:
    """Return the statements that the plan prints for psql, without its comments."""
    lines = timepart("plan", *arguments).lines
    return [line.removesuffix(";") for line in lines if line and not line.startswith("--")]


def run_by_hand(database: Database, *arguments: str) -> None:
    for statement in script(*arguments):
        database.execute(statement)


def plan_of(model: type[models.Model]) -> Any:
    (found,) = timepart("plan", label(model), "--json").json
    return found


@pytest.mark.parametrize("model", FREIGHT)
def test_run_by_hand_the_sql_gives_the_catalog_that_a_pass_gives(
    database: Database, archive: str, settings: Any, model: type[models.Model]
) -> None:
    settings.PG_TIMEPART = {"LOCK_BUDGET_MS": 2000}
    policy = {"detach_tablespace": archive, "drop_after": dt.timedelta(days=1)}
    prepare(database, model, **policy)
    before = shape(database, model)
    kinds = [each["action"] for each in plan_of(model)["actions"]]
    unlinked = ["unlink"] if model is Cargo else []
    assert kinds == ["create"] * kinds.count("create") + ["detach", *unlinked, "move", "drop"]
    assert kinds.count("create") > 1
    run_by_hand(database, label(model))
    by_hand = shape(database, model)
    after_it = maintain.maintain(label(model))
    assert (after_it.actions, after_it.reason) == ((), "")
    assert shape(database, model) == by_hand

    prepare(database, model, **policy)
    assert shape(database, model) == before
    assert maintain.maintain(label(model)).outcome is Outcome.DONE
    assert shape(database, model) == by_hand


def test_nothing_is_done(database: Database) -> None:
    prepare(database, Ship)
    PartitionRun.objects.all().delete()
    before, rows = shape(database, Ship), list(PartitionLog.objects.values())
    assert timepart("plan", "fleet.ship").status == 0
    assert shape(database, Ship) == before
    assert list(PartitionLog.objects.values()) == rows
    assert not PartitionRun.objects.exists()


def test_json_has_the_statements_of_the_script(database: Database) -> None:
    prepare(database, Cargo)
    found = plan_of(Cargo)
    steps = [step for action in found["actions"] for step in action["steps"]]
    assert [sql for step in steps for sql in step["sql"]] == script("fleet.cargo")
    assert (found["model"], found["problems"], found["notes"]) == ("fleet.cargo", [], [])
    create = found["actions"][0]
    assert set(create) == {
        "action", "partition", "start", "end", "tablespace", "reason", "note", "steps",
    }  # fmt: skip
    assert set(steps[0]) == {"summary", "locks", "in_transaction", "sql"}


def test_the_locks_of_each_step(database: Database) -> None:
    prepare(database, Cargo)
    locks = {
        each["action"]: [step["locks"] for step in each["steps"]]
        for each in plan_of(Cargo)["actions"]
    }
    leaf = database.log(Cargo, "2001-03-01").table_name
    assert locks == {
        "create": [
            [
                "SHARE ROW EXCLUSIVE on public.fleet_port",
                "SHARE UPDATE EXCLUSIVE on public.fleet_cargo",
            ]
        ],
        "detach": [
            [
                "SHARE UPDATE EXCLUSIVE on public.fleet_cargo",
                f"ACCESS EXCLUSIVE on public.{leaf}",
                "SHARE ROW EXCLUSIVE on public.fleet_port",
            ]
        ],
        "unlink": [["ACCESS EXCLUSIVE on public.fleet_port", f"ACCESS EXCLUSIVE on public.{leaf}"]],
    }


def test_exit_status_and_output_of_the_program(database: Database) -> None:
    prepare(database, Ship)
    ended = run_timepart("plan", "fleet.ship")
    assert (ended.status, ended.error) == (0, "")
    assert ended.lines[0] == "-- fleet.ship: 6 actions"
    assert any(line.endswith(" CONCURRENTLY;") for line in ended.lines)
    maintain.maintain("fleet.ship")
    assert run_timepart("plan", "fleet.ship").lines == ["-- fleet.ship: nothing to do"]


def test_what_only_a_person_can_decide_ends_with_1(database: Database) -> None:
    prepare(database, Ship, max_retire_per_pass=1)
    database.cover(Ship, "2001-04-01", "2001-05-01")
    ended = timepart("plan", "fleet.ship")
    assert ended.status == 1
    assert "fleet.ship: need a decision" in ended.error
    assert "-- ! 2 partitions are past retention, more than the 1 that one pass" in ended.out


def test_a_config_that_cannot_be_used_stops_no_other_plan(database: Database) -> None:
    database.configure(Ship, period="Fortnight")
    ship, crossing = timepart("plan", "fleet.ship", "fleet.crossing", "--json").json[::-1]
    assert "There is no period 'Fortnight'" in ship["problems"][0]
    assert [each["action"] for each in crossing["actions"]] == ["create"] * 3


def leave_pending(database: Database, model: type[models.Model], name: str) -> None:
    table = database.table(model)
    with second_connection(f"SELECT count(*) FROM {table}"):
        database.execute("SET statement_timeout = '300ms'")
        with pytest.raises(OperationalError):
            database.execute(f"ALTER TABLE {table} DETACH PARTITION {name} CONCURRENTLY")
        database.execute("RESET statement_timeout")


def test_a_pending_detach_is_ended_first(database: Database, settings: Any) -> None:
    settings.PG_TIMEPART = {"LOCK_BUDGET_MS": 2000}
    prepare(database, Ship)
    name = database.log(Ship, "2001-03-01").table_name
    leave_pending(database, Ship, name)
    first, *_ = plan_of(Ship)["actions"]
    assert (first["action"], first["partition"]) == ("finalize", name)
    run_by_hand(database, "fleet.ship")
    assert name not in database.children(Ship)
    assert maintain.maintain("fleet.ship").actions == ()


def test_a_move_waits_for_its_detach(database: Database, archive: str) -> None:
    prepare(database, Ship, detach_tablespace=archive)
    detach, move = plan_of(Ship)["actions"][-2:]
    assert "until no transaction is left" not in move["note"]
    assert move["note"] == "Only once the detach has ended well."
    assert "FINALIZE" in detach["note"]
    assert not any("statement_timeout" in sql for sql in move["steps"][0]["sql"])


def test_a_partition_without_comment_or_row_is_marked_and_so_found_again(
    database: Database,
) -> None:
    prepare(database, Ship)
    for log in database.logs(Ship):
        database.execute(f"COMMENT ON TABLE {log.table_name} IS NULL")
    PartitionLog.objects.all().delete()
    detaches = [each for each in plan_of(Ship)["actions"] if each["action"] == "detach"]
    assert len(detaches) == 2
    assert all("COMMENT ON TABLE" in str(each["steps"][0]["sql"]) for each in detaches)
    run_by_hand(database, "fleet.ship")
    reconcile("fleet.ship")
    assert [log.is_attached for log in database.logs(Ship)].count(False) == 2


def test_beside_a_default_partition_a_detach_is_a_transaction(database: Database) -> None:
    prepare(database, Ship)
    database.execute("CREATE TABLE fleet_rest PARTITION OF fleet_ship DEFAULT")
    found = plan_of(Ship)
    (step,) = found["actions"][-1]["steps"]
    assert step["in_transaction"]
    assert "ACCESS EXCLUSIVE on public.fleet_ship" in step["locks"]
    assert "ACCESS EXCLUSIVE on public.fleet_rest" in step["locks"]
    assert found["notes"][0].startswith("fleet_rest is a default partition")


def test_what_an_interrupted_create_left_on_a_default_partition_goes_once(
    database: Database,
) -> None:
    database.configure(Crossing)
    database.execute("CREATE TABLE fleet_rest PARTITION OF fleet_crossing DEFAULT")
    database.execute(
        "ALTER TABLE fleet_rest ADD CONSTRAINT pg_timepart_excludes"
        " CHECK (day < '2030-01-01' OR day >= '2030-01-02') NOT VALID"
    )
    run_by_hand(database, "fleet.crossing")
    assert len(database.ranges(Crossing)) == 3
    assert maintain.maintain("fleet.crossing").actions == ()


def test_a_table_that_was_made_and_never_attached_is_attached(database: Database) -> None:
    database.configure(Crossing)
    name = plan_of(Crossing)["actions"][0]["partition"]
    for statement in script("fleet.crossing")[3:5]:
        database.execute(statement)
    create = plan_of(Crossing)["actions"][0]
    assert create["note"].startswith("An interrupted run made this table.")
    assert not any("CREATE TABLE" in sql for sql in create["steps"][0]["sql"])
    run_by_hand(database, "fleet.crossing")
    assert name in database.children(Crossing)


def test_a_stranger_with_the_name_of_a_new_partition(database: Database) -> None:
    database.configure(Crossing)
    name = plan_of(Crossing)["actions"][0]["partition"]
    database.execute(f"CREATE TABLE {name} ()")
    create = plan_of(Crossing)["actions"][0]
    assert "something that pg_timepart did not make" in create["note"]
    assert f'"{name}_2"' in " ".join(create["steps"][0]["sql"])
    run_by_hand(database, "fleet.crossing")
    assert {name, f"{name}_2"} & {*database.children(Crossing)} == {f"{name}_2"}


def test_an_interrupted_attach_is_gone_on_with(database: Database, settings: Any) -> None:
    settings.PG_TIMEPART = {"LOCK_BUDGET_MS": 2000}
    prepare(database, Cargo)
    log = database.log(Cargo, "2001-01-01")
    name = log.table_name
    database.execute(f"ALTER TABLE {name} DROP CONSTRAINT {name}_loaded_at_check")
    die_at("ADD CONSTRAINT", lambda: log.attach(at("2100-01-01")))
    kinds = [each["action"] for each in plan_of(Cargo)["actions"]]
    assert "attach" in kinds
    run_by_hand(database, "fleet.cargo")
    assert name in database.children(Cargo)
    assert maintain.maintain("fleet.cargo").actions == ()


def test_an_interrupted_attach_of_what_is_half_detached(database: Database, settings: Any) -> None:
    settings.PG_TIMEPART = {"LOCK_BUDGET_MS": 2000}
    prepare(database, Cargo)
    log = database.log(Cargo, "2001-03-01")
    name = log.table_name
    leave_pending(database, Cargo, name)
    die_at("FINALIZE", lambda: log.attach(at("2100-01-01")))
    (attaching,) = (each for each in plan_of(Cargo)["actions"] if each["partition"] == name)
    assert attaching["action"] == "attach"
    assert "FINALIZE" in str(attaching["steps"][0])
    run_by_hand(database, "fleet.cargo")
    assert name in database.children(Cargo)
    assert maintain.maintain("fleet.cargo").actions == ()


def test_an_unknown_model(database: Database) -> None:
    ended = timepart("plan", "fleet.submarine")
    assert ended.status == 2
    assert "There is no partitioned model named 'fleet.submarine'. Known: depot.pallet" in (
        ended.error
    )
    assert ended.out == ""
