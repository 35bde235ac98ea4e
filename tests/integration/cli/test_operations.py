"""``timepart maintain | create | detach | attach | move | reconcile``: what they do and say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pg_timepart.models import PartitionConfig, PartitionRun
from tests.apps.fleet.models import Crossing, Mooring, Ship
from tests.support.command_line import (
    NOWHERE,
    run_timepart,
    run_unread,
    second_connection,
    timepart,
)
from tests.support.database import Database, at
from tests.support.tablespaces import tablespaces_named

STRANGE = "we\"ird 100% naïve 表 o'clock"


@pytest.fixture
def strange(database: Database) -> str:
    """The name of a partition that was made by hand, and has no row yet."""
    quoted = database.one("SELECT quote_ident(%s)", STRANGE)
    database.execute(
        f'CREATE TABLE "fleet yard".{quoted} PARTITION OF "fleet yard"."The Moorings"'
        " FOR VALUES FROM ('2001-01-01 00:00+00') TO ('2001-02-01 00:00+00')"
    )
    return STRANGE


@pytest.fixture
def old(database: Database) -> str:
    """The name of a ship's partition of 2001."""
    return database.cover(Ship, "2001-01-01", "2001-02-01")[0].table_name


def names_of(database: Database, model: Any) -> set[str]:
    return set(database.children(model))


def test_maintain_says_what_it_did(database: Database) -> None:
    ended = timepart("maintain", "fleet.ship")
    first = database.logs(Ship)[0].table_name
    assert (ended.status, ended.error) == (0, "")
    assert ended.lines[0] == "fleet.ship: done"
    assert ended.lines[1].startswith(f"  created {first}, ")
    assert ended.lines[1].endswith(" ms")
    assert timepart("maintain", "fleet.ship").lines == ["fleet.ship: unchanged"]
    assert database.runs(Ship)[0].started_by == "command"


def test_maintain_without_a_model_is_for_all_that_are_enabled(database: Database) -> None:
    database.configure(Ship, enabled=False)
    ended = timepart("maintain", "--json")
    found = {each["model"]: each["outcome"] for each in ended.json}
    assert ended.status == 0
    assert found["fleet.cargo"] == found["fleet.mooring"] == "done"
    assert "fleet.ship" not in found
    assert database.ranges(Ship) == []


def test_a_disabled_table_is_maintained_when_it_is_named(database: Database) -> None:
    database.configure(Ship, enabled=False)
    assert timepart("maintain", "fleet.ship").lines[0] == "fleet.ship: done"


def test_a_pass_that_fails_ends_with_1_and_stops_no_other(database: Database) -> None:
    database.cover(Ship, "2001-01-01", "2001-02-01", "2001-03-01")
    database.configure(Ship, interval=1, max_retire_per_pass=1)
    ended = timepart("maintain", "fleet.ship", "fleet.cargo", "--json")
    cargo, ship = ended.json
    assert ended.status == 1
    assert "fleet.ship: failed." in ended.error
    assert (cargo["outcome"], ship["outcome"]) == ("done", "failed")
    assert "2 partitions are past retention" in ship["problems"][0]


def test_a_pass_that_gives_way_ends_with_1_and_names_who_is_there(
    database: Database, settings: Any, old: str
) -> None:
    settings.PG_TIMEPART = {"LOCK_WAIT_SECONDS": 0.3}
    database.configure(Ship, interval=1)
    with second_connection(
        "SET LOCAL application_name = 'the report'", "SELECT count(*) FROM fleet_ship"
    ):
        ended = timepart("maintain", "fleet.ship")
    assert ended.status == 1
    assert "fleet.ship: deferred." in ended.error
    assert f"  deferred, did not detach {old}: " in ended.out
    assert "application 'the report'" in ended.out


def test_json_of_a_run(database: Database) -> None:
    (found,) = timepart("create", "fleet.crossing", "--days", "0", "--json").json
    (action,) = found.pop("actions")
    assert found == {
        "model": "fleet.crossing",
        "operation": "create",
        "outcome": "done",
        "message": "",
        "problems": [],
        "repairs": [],
        "notes": [],
        "findings": [],
    }
    assert set(action) == {
        "action", "partition", "outcome", "seconds", "waited_seconds", "detail", "code",
    }  # fmt: skip
    assert (action["action"], action["outcome"]) == ("create", "done")
    assert action["partition"] in names_of(database, Crossing)


def test_create_until_so_many_days_from_now(database: Database) -> None:
    timepart("create", "fleet.crossing", "--days", "5")
    assert len(database.ranges(Crossing)) == 6
    timepart("create", "fleet.crossing")
    assert len(database.ranges(Crossing)) == 6
    timepart("create", "fleet.crossing", "--days", "0")
    assert len(database.ranges(Crossing)) == 7


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-01-31", "2024-02-02"),
        ("2024-01-31T23:59", "2024-02-01T00:01"),
        ("2024-01-31T22:59+00:00", "2024-02-01T00:01+01:00"),
    ],
)
def test_create_a_range_of_which_the_zone_is_the_configured_one(
    database: Database, settings: Any, start: str, end: str
) -> None:
    settings.PARTITION_TIMEZONE = "Europe/Berlin"
    assert timepart("create", "fleet.ship", "--from", start, "--to", end).status == 0
    assert database.ranges(Ship) == [
        ("2023-12-31 23:00:00", "2024-01-31 23:00:00"),
        ("2024-01-31 23:00:00", "2024-02-29 23:00:00"),
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--from", "2024-01-01"], "--from and --to go together."),
        (["--to", "2024-01-01"], "--from and --to go together."),
        (["--days", "1", "--from", "2024-01-01", "--to", "2024-01-02"], "--days does not go with"),
        (["--from", "2024-01-02", "--to", "2024-01-01"], "must end after it starts"),
        (["--from", "2024-13-01", "--to", "2024-01-02"], "'2024-13-01' is not a date or time such"),
        (["--from", "0001-01-01T00:00+14:00", "--to", "2024-01-02"], "within the years 1 to 9999"),
        (["--days", "many"], "'many' is not a whole number of days, 0 to 36525."),
        (["--days", "36526"], "'36526' is not a whole number of days"),
    ],
)
def test_a_wrong_range_is_refused_before_anything_is_done(
    database: Database, arguments: list[str], sentence: str
) -> None:
    ended = timepart("create", "fleet.ship", *arguments)
    assert ended.status != 0
    assert sentence in ended.error
    assert (database.ranges(Ship), database.runs(Ship)) == ([], [])


def test_detach_by_names_that_need_care(database: Database, strange: str) -> None:
    kept = database.cover(Mooring, "2002-01-01", "2002-02-01")[-1].table_name
    ended = timepart("detach", "fleet.mooring", "--partition", strange)
    assert ended.status == 0
    assert ended.lines[0] == "fleet.mooring: done"
    assert ended.lines[1].startswith(f"  detached {strange}, ")
    assert names_of(database, Mooring) == {kept}


def test_several_partitions_at_once(database: Database) -> None:
    first, second, third = database.cover(
        Ship, "2001-01-01", "2001-02-01", "2001-03-01", "2001-04-01"
    )
    ended = timepart(
        "detach", "fleet.ship", "--partition", first.table_name, "--partition", third.table_name
    )
    assert ended.status == 0
    assert names_of(database, Ship) == {second.table_name}
    timepart("attach", "fleet.ship", "--partition", third.table_name, first.table_name)
    assert len(names_of(database, Ship)) == 3


def test_detach_all_that_are_past_retention_beyond_the_fuse(database: Database) -> None:
    database.cover(Ship, "2001-01-01", "2001-02-01", "2001-03-01")
    database.configure(Ship, interval=1, max_retire_per_pass=1)
    assert timepart("detach", "fleet.ship", "--expired").status == 0
    assert names_of(database, Ship) == set()


def test_detach_in_a_transaction(database: Database, old: str) -> None:
    assert timepart("detach", "fleet.ship", "--partition", old, "--plain").status == 0
    (statement,) = database.runs(Ship)[0].actions[0]["statements"]
    assert "CONCURRENTLY" not in statement


def test_attach_all_with_a_pin_that_is_read_in_the_configured_zone(
    database: Database, settings: Any, old: str, strange: str
) -> None:
    settings.PARTITION_TIMEZONE = "Europe/Berlin"
    timepart("detach", "fleet.ship", "--partition", old)
    assert timepart("attach", "fleet.ship", "--all", "--pin", "2100-07-01").status == 0
    (row,) = database.logs(Ship)
    assert (row.is_attached, row.detach_time) == (True, at("2100-06-30T22:00"))
    database.configure(Ship, interval=1)
    timepart("maintain", "fleet.ship")
    assert old in names_of(database, Ship)
    assert "pinned until 2100-07-01" in timepart("status", "fleet.ship").out


@pytest.fixture
def archive(database: Database) -> Iterator[str]:
    name = "50% off 'ß'"
    with tablespaces_named(name):
        yield name
        database.empty()


def test_move(database: Database, strange: str, archive: str) -> None:
    ended = timepart("move", "fleet.mooring", "--partition", strange, "--tablespace", archive)
    assert ended.status == 0
    assert ended.lines[1].startswith(f"  moved {strange}, ")
    quoted = database.one("SELECT quote_ident(%s)", strange)
    assert database.tablespaces(f'"fleet yard".{quoted}') == {archive}
    (found,) = timepart("status", "fleet.mooring", "--json").json
    assert [each["tablespace"] for each in found["partitions"]] == [archive]


def test_an_unknown_tablespace_is_refused_with_the_known_ones(database: Database, old: str) -> None:
    before = len(database.runs(Ship))
    ended = timepart("move", "fleet.ship", "--partition", old, "--tablespace", "cellar")
    assert ended.status == 2
    assert "There is no tablespace named 'cellar'. Known: " in ended.error
    assert "pg_default" in ended.error
    assert len(database.runs(Ship)) == before


@pytest.mark.parametrize("operation", ["detach", "attach", "move", "drop"])
def test_an_unknown_partition_is_refused_with_the_known_ones(
    database: Database, old: str, operation: str
) -> None:
    other = {"move": ["--tablespace", "pg_default"], "drop": ["--yes"]}.get(operation, [])
    ended = timepart(operation, "fleet.ship", "--partition", old, "fleet_ship_1999", *other)
    assert ended.status == 2
    assert ended.error == (
        f"There is no partition of fleet.ship named 'fleet_ship_1999'. Known: {old}."
    )
    assert names_of(database, Ship) == {old}


@pytest.mark.parametrize(
    "arguments",
    [
        ["maintain", "fleet.ship", "fleet.submarine"],
        ["create", "fleet.submarine"],
        ["detach", "fleet.submarine", "--expired"],
        ["attach", "fleet.submarine", "--all"],
        ["move", "fleet.submarine", "--partition", "x", "--tablespace", "pg_default"],
        ["drop", "fleet.submarine", "--partition", "x", "--yes"],
        ["reconcile", "fleet.ship", "fleet.submarine"],
        ["status", "fleet.ship", "fleet.submarine"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_an_unknown_model_is_refused_before_anything_is_done(
    database: Database, arguments: list[str]
) -> None:
    ended = timepart(*arguments)
    assert ended.status == 2
    assert "There is no partitioned model named 'fleet.submarine'. Known: depot.pallet, " in (
        ended.error
    )
    assert (ended.out, database.ranges(Ship)) == ("", [])


def test_an_unknown_zone_is_a_sentence(database: Database, settings: Any) -> None:
    settings.PARTITION_TIMEZONE = "Europe/Berlim"
    for arguments in (["status"], ["plan"], ["maintain"], ["create", "fleet.ship"]):
        ended = timepart(*arguments)
        assert ended.status == 1
        assert ended.error.startswith(
            "PARTITION_TIMEZONE: There is no time zone named 'Europe/Berlim'. Known: "
        )
        assert "Europe/Berlin" in ended.error


def test_reconcile_follows_what_was_done_by_hand(database: Database, strange: str) -> None:
    ended = timepart("reconcile", "fleet.mooring")
    assert ended.status == 0
    assert f"  repaired: {strange} is recorded." in ended.lines
    assert timepart("reconcile", "fleet.mooring").lines[0] == "fleet.mooring: unchanged"


def test_reconcile_says_what_a_person_must_decide(database: Database) -> None:
    database.cover(Ship, "2001-01-01", "2001-02-01")
    database.cover(Ship, "2001-03-01", "2001-04-01")
    ended = timepart("reconcile", "fleet.ship")
    assert "  note: Nothing covers [2001-02-01 00:00:00+00:00, 2001-03-01" in ended.out


def test_reconcile_all(database: Database) -> None:
    found = {each["model"]: each["outcome"] for each in timepart("reconcile", "--json").json}
    assert found["fleet.ship"] == found["fleet.cargo"] == "unchanged"


def test_an_operation_that_fails_prints_its_report_and_ends_with_1(
    database: Database, old: str
) -> None:
    timepart("detach", "fleet.ship", "--partition", old)
    database.execute(
        "CREATE TABLE fleet_intruder PARTITION OF fleet_ship"
        " FOR VALUES FROM ('2001-01-10 00:00+00') TO ('2001-01-20 00:00+00')"
    )
    ended = timepart("attach", "fleet.ship", "--all")
    assert ended.status == 1
    assert ended.lines[0] == "fleet.ship: failed"
    assert f"failed to attach {old}: {old} cannot be attached: fleet_intruder covers" in ended.out
    assert "fleet.ship: failed." in ended.error


def test_exit_statuses_of_the_program(database: Database) -> None:
    assert run_timepart("maintain", "fleet.ship").status == 0
    assert run_timepart("status", "fleet.crossing").status == 1
    assert run_timepart("status", "fleet.submarine").status == 2
    wrong = run_timepart("create", "fleet.ship", "--days", "-1")
    assert wrong.status == 2
    assert "'-1' is not a whole number of days, 0 to 36525." in wrong.error
    none = run_timepart()
    assert none.status == 2
    assert "COMMAND" in none.error
    helped = run_timepart("--help")
    assert helped.status == 0
    assert "Exit status: 0 all is well; 1 something is" in helped.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["plan", "fleet.ship"],
        ["maintain"],
        ["create", "fleet.ship"],
        ["drop", "fleet.ship", "--partition", "x", "--yes"],
        ["reconcile"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_database_that_is_away_is_a_sentence(arguments: list[str]) -> None:
    ended = run_timepart(*arguments, url=NOWHERE)
    assert ended.status == 1
    assert "Connection refused" in ended.out + ended.error
    assert "Traceback" not in ended.out + ended.error


def test_tables_of_ours_that_are_not_migrated(database: Database) -> None:
    database.execute("ALTER TABLE pg_timepart_partitionconfig RENAME TO elsewhere")
    try:
        for arguments in (["status", "fleet.ship"], ["maintain"], ["create", "fleet.ship"]):
            ended = timepart(*arguments)
            assert ended.status == 1
            assert "pg_timepart_partitionconfig" in ended.out + ended.error
            advice = (
                "Run migrate first, or see that our tables are in search_path. The database says: "
            )
            assert advice in ended.out + ended.error
    finally:
        database.execute("ALTER TABLE elsewhere RENAME TO pg_timepart_partitionconfig")
    assert not PartitionConfig.objects.filter(model_label="fleet.ship").exists()


def test_what_is_asked_for_by_hand_is_recorded_as_such(database: Database, old: str) -> None:
    PartitionRun.objects.all().delete()
    timepart("detach", "fleet.ship", "--partition", old)
    timepart("attach", "fleet.ship", "--all")
    assert [(run.operation, run.started_by) for run in database.runs(Ship)] == [
        ("attach", "command"),
        ("detach", "command"),
    ]


def test_nobody_need_read_what_was_done(database: Database) -> None:
    """As with ``timepart maintain | head -1``: the exit status is that of the work."""
    ended = run_unread("maintain", "fleet.ship", "fleet.crossing")
    assert (ended.status, ended.error) == (0, "")
    assert [len(database.runs(each)) for each in (Ship, Crossing)] == [1, 1]
    ended = run_unread("status", "fleet.mooring", "--json")
    assert ended.status == 1
    assert ended.error == "CommandError: 1 of 1 need attention: fleet.mooring (critical).\n"
