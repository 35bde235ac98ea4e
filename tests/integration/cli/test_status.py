"""``timepart status``: what is there, what is wrong, and an exit status for probes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from pg_timepart.findings import Severity
from pg_timepart.maintenance import maintain
from pg_timepart.maintenance.target import target_of
from pg_timepart.models import PartitionConfig
from pg_timepart.partitions.coverage import runs_out_at
from pg_timepart.status import Health, status_of, statuses
from pg_timepart.status.health import assess
from tests.apps.fleet.models import Cargo, Crossing, Mooring, Ship
from tests.support.command_line import run_timepart, second_connection, timepart
from tests.support.database import Database
from tests.support.processes import die_at

FLEET = ("fleet.cargo", "fleet.crossing", "fleet.mooring", "fleet.ship")


@pytest.fixture
def today(database: Database) -> dt.datetime:
    """The server's day."""
    now: dt.datetime = database.one("SELECT date_trunc('day', now(), 'UTC')")
    return now


def cover_days(today: dt.datetime, count: int, start: int = 0) -> None:
    """Give the crossings, of which one partition is a day, so many days."""
    first = today + dt.timedelta(days=start)
    Crossing.partitioning.create_range(first, first + dt.timedelta(days=count))


def health(label: str = "fleet.crossing") -> Health:
    return status_of(label).health


def test_a_table_that_is_well(database: Database) -> None:
    maintain.maintain("fleet.ship")
    name = database.logs(Ship)[0].table_name
    ended = timepart("status", "fleet.ship")
    assert (ended.status, ended.error) == (0, "")
    assert ended.lines[0] == "fleet.ship: ok"
    assert (
        ended.lines[1] == "  public.fleet_ship in the database default: 1 month each, all kept,"
        " 2 ready ahead"
    )
    assert "; 3 attached, 0 detached, 24.0 kB" in ended.lines[2]
    headings, first, *_ = ended.lines[5:]
    assert headings.split() == [
        "PARTITION",
        "BOUNDS",
        "STATE",
        "TABLESPACE",
        "SIZE",
        "ROWS",
        "NOTES",
    ]
    assert first.split()[0] == name
    assert first.index("attached") == headings.index("STATE")


def test_exit_status_and_output_of_the_program(database: Database) -> None:
    maintain.maintain("fleet.ship")
    well = run_timepart("status", "fleet.ship")
    assert (well.status, well.error) == (0, "")
    assert well.lines[0] == "fleet.ship: ok"
    ill = run_timepart("status", "fleet.ship", "fleet.crossing")
    assert ill.status == 1
    assert ill.lines[0] == "fleet.crossing: critical"
    assert "1 of 2 need attention: fleet.crossing (critical)." in ill.error
    assert "Traceback" not in ill.error


def test_all_models_by_default_each_once(database: Database) -> None:
    labels = [each["model"] for each in timepart("status", "--json").json]
    assert set(FLEET) <= set(labels)
    assert labels == sorted(set(labels))


def test_what_one_table_has_detached_is_no_matter_of_another(database: Database) -> None:
    for model in (Ship, Crossing):
        maintain.maintain(model._meta.label_lower)
        database.logs(model)[0].detach()
    labels = ("fleet.ship", "fleet.crossing")
    both = {each.label: each.problems for each in statuses(labels)}
    assert both == {label: status_of(label).problems for label in labels}


def test_critical_where_nothing_covers_now(database: Database) -> None:
    ended = timepart("status", "fleet.crossing")
    assert ended.status == 1
    assert ended.lines[0] == "fleet.crossing: critical"
    assert (
        ended.lines[1] == "  ! No partition covers now: every INSERT of a new row fails."
        " Run timepart maintain fleet.crossing, and see that its schedule runs."
    )


def test_critical_where_less_than_one_period_is_left(
    database: Database, today: dt.datetime
) -> None:
    cover_days(today, 1)
    (problem,) = map(str, status_of("fleet.crossing").problems)
    assert health() is Health.CRITICAL
    assert problem.startswith(f"There are partitions until {today + dt.timedelta(days=1):%F %H:%M}")


def test_warning_where_less_than_half_of_premake_is_left(
    database: Database, today: dt.datetime
) -> None:
    cover_days(today, 4)
    database.configure(Crossing, premake=6)
    assert health() is Health.OK
    database.configure(Crossing, premake=8)
    assert health() is Health.WARNING
    assert "less than half of the 8 periods" in status_of("fleet.crossing").problems[0].sentence


@pytest.mark.parametrize(("hour", "expected"), [(0, []), (11, []), (13, [Severity.CRITICAL])])
def test_one_period_ahead_is_no_alarm_until_half_of_it_is_gone(
    database: Database, today: dt.datetime, hour: int, expected: list[Severity]
) -> None:
    cover_days(today, 1)
    database.configure(Crossing, premake=1)
    target = target_of(Crossing)
    then = today + dt.timedelta(hours=hour)
    parent = replace(target.read([]), read_at=then)
    findings = assess(target, parent, [], runs_out_at(parent, then))
    assert [each.severity for each in findings] == expected


def test_a_gap_ahead_shortens_the_runway(database: Database, today: dt.datetime) -> None:
    cover_days(today, 3)
    cover_days(today, 3, start=4)
    status = status_of("fleet.crossing")
    day = dt.timedelta(days=1)
    assert status.runs_out_at == today + 3 * day
    assert [(each.start, each.end) for each in status.gaps] == [(today + 3 * day, today + 4 * day)]
    shown = f"  nothing covers {today + 3 * day:%F} .. {today + 4 * day:%F}"
    assert shown in timepart("status", "fleet.crossing").lines


def test_a_failed_run_is_a_warning_until_one_is_well(
    database: Database, today: dt.datetime
) -> None:
    cover_days(today - dt.timedelta(days=9), 12)
    database.configure(Crossing, interval=1, max_retire_per_pass=2)
    maintain.maintain("fleet.crossing")
    status = status_of("fleet.crossing")
    assert status.health is Health.WARNING
    assert "more than the 2 that one pass may detach" in status.problems[0].sentence
    database.configure(Crossing, interval=None)
    maintain.maintain("fleet.crossing")
    assert status_of("fleet.crossing").problems == ()


def test_disabled_maintenance_is_a_warning(database: Database) -> None:
    maintain.maintain("fleet.crossing")
    database.configure(Crossing, enabled=False)
    assert health() is Health.WARNING
    assert "switched off" in status_of("fleet.crossing").problems[0].sentence


def test_a_config_that_cannot_be_used_is_critical(database: Database) -> None:
    maintain.maintain("fleet.crossing")
    PartitionConfig.objects.filter(model_label="fleet.crossing").update(period="Fortnight")
    status = status_of("fleet.crossing")
    assert status.health is Health.CRITICAL
    assert "There is no period 'Fortnight'" in status.problems[0].sentence
    assert status.attached_count == 3


def test_a_default_partition(database: Database, today: dt.datetime) -> None:
    database.execute("CREATE TABLE fleet_rest PARTITION OF fleet_crossing DEFAULT")
    status = status_of("fleet.crossing")
    assert (status.health, status.runway) == (Health.WARNING, None)
    assert "New rows go into the default partition fleet_rest" in status.problems[0].sentence
    cover_days(today, 1)
    assert health() is Health.OK
    text = timepart("status", "fleet.crossing").out
    assert "room for new rows without end" in text
    assert "everything else" in text


def test_a_pending_detach(database: Database, today: dt.datetime) -> None:
    cover_days(today - dt.timedelta(days=1), 4)
    name = database.logs(Crossing)[0].table_name
    with second_connection("SELECT count(*) FROM fleet_crossing"):
        database.execute("SET statement_timeout = '300ms'")
        with pytest.raises(OperationalError):
            database.execute(f"ALTER TABLE fleet_crossing DETACH PARTITION {name} CONCURRENTLY")
        database.execute("RESET statement_timeout")
        status = status_of("fleet.crossing")
    assert status.health is Health.WARNING
    (problem,) = map(str, status.problems)
    assert problem == (
        f"The detach of {name} was interrupted: rows of its range are refused until"
        " timepart maintain fleet.crossing ends it."
    )
    assert [each.state for each in status.partitions if each.name == name] == ["pending"]


def test_interrupted_work_of_ours(database: Database) -> None:
    maintain.maintain("fleet.ship")
    row = database.logs(Ship)[0]
    die_at("LOCK TABLE", lambda: row.set_tablespace("pg_default"))
    assert health("fleet.ship") is Health.WARNING
    assert f"The move of {row.table_name} was interrupted" in timepart("status", "fleet.ship").out


@pytest.fixture
def missing_ship(database: Database) -> Iterator[None]:
    database.execute("ALTER TABLE fleet_ship RENAME TO fleet_sunk")
    yield
    database.execute("ALTER TABLE fleet_sunk RENAME TO fleet_ship")


def test_one_table_in_trouble_stops_no_other(database: Database, missing_ship: None) -> None:
    maintain.maintain("fleet.cargo")
    cargo, ship = statuses([Cargo, Ship])
    assert (cargo.health, ship.health) == (Health.OK, Health.CRITICAL)
    assert "The table fleet_ship of fleet.Ship does not exist" in ship.problems[0].sentence
    ended = timepart("status", "fleet.ship", "--json")
    assert ended.status == 1
    assert ended.json[0]["partitions"] == []


def test_without_a_config_row_nothing_is_written(database: Database) -> None:
    assert status_of("fleet.ship").premake == 2
    assert not PartitionConfig.objects.filter(model_label="fleet.ship").exists()


def test_the_number_of_queries_is_the_same_for_any_number_of_tables(database: Database) -> None:
    for label in FLEET:
        maintain.maintain(label)
    with CaptureQueriesContext(connection) as for_one:
        statuses(["fleet.cargo"])
    with CaptureQueriesContext(connection) as for_four:
        statuses(FLEET)
    assert len(for_four) == len(for_one)


def test_a_locked_partition_is_not_waited_for(database: Database) -> None:
    maintain.maintain("fleet.ship")
    locked, *others = database.logs(Ship)
    with second_connection(f"LOCK TABLE {locked.table_name} IN ACCESS EXCLUSIVE MODE"):
        sizes = {each.oid: each.size_bytes for each in status_of("fleet.ship").partitions}
    assert sizes[locked.relid] is None
    assert all(sizes[each.relid] for each in others)


def test_a_lock_on_an_index_is_not_waited_for(database: Database) -> None:
    maintain.maintain("fleet.ship")
    index = f"{database.logs(Ship)[0].table_name}_pkey"
    with second_connection(f"REINDEX INDEX {index}"):
        status = status_of("fleet.ship")
    assert status.health is Health.OK
    assert [each.size_bytes for each in status.partitions] == [None] * 3


def test_json(database: Database, today: dt.datetime) -> None:
    cover_days(today, 4)
    (log, *_) = database.logs(Crossing)
    database.execute("INSERT INTO fleet_crossing (day) VALUES (now())")
    database.execute(f"ANALYZE {log.table_name}")
    Crossing.partitioning.detach_partition(log)
    cover_days(today, 1)
    (found,) = timepart("status", "fleet.crossing", "--json").json
    day = dt.timedelta(days=1)
    detached = next(each for each in found["partitions"] if each["partition"] == log.table_name)
    assert set(found) == {
        "model", "table", "database", "health", "problems", "period", "interval", "premake",
        "enabled", "read_at", "runs_out_at", "runway_seconds", "attached", "detached",
        "total_bytes", "gaps", "last_outcome", "last_message", "last_run_at", "last_checked_at",
        "overdue_since", "partitions", "notes", "findings",
    }  # fmt: skip
    assert found["runs_out_at"] == (today + 4 * day).isoformat()
    assert 3 * 86_400 < found["runway_seconds"] <= 4 * 86_400
    assert (found["attached"], found["detached"]) == (4, 1)
    assert found["total_bytes"] == sum(each["size_bytes"] for each in found["partitions"])
    assert detached["detached_at"] is not None
    assert {**detached, "detached_at": "", "size_bytes": 0} == {
        "partition": log.table_name,
        "schema": "public",
        "start": today.isoformat(),
        "end": (today + day).isoformat(),
        "literals": None,
        "state": "detached",
        "tablespace": "pg_default",
        "size_bytes": 0,
        "rows_estimate": 1,
        "pinned_until": None,
        "detached_at": "",
        "unfinished": "",
        "obstacles": [],
    }


def test_names_that_need_care_and_columns_that_stay_aligned(database: Database) -> None:
    name = 'we"ird 100% naïve 表'
    database.execute(
        'CREATE TABLE "we""ird 100% naïve 表" PARTITION OF "fleet yard"."The Moorings"'
        " FOR VALUES FROM ('2001-01-01 00:00+00') TO ('2001-02-01 00:00+00')"
    )
    maintain.maintain("fleet.mooring")
    lines = timepart("status", "fleet.mooring").lines
    assert lines[1].startswith("  fleet yard.The Moorings in the database default")
    (row,) = (line for line in lines if name in line)
    other = lines[-1]
    # The last character of the name takes two columns of a terminal.
    assert row.index("2001-01-01") + 1 == other.index(" 20") + 1
    assert database.logs(Mooring)[0].table_name == name


def test_bounds_are_shown_in_the_configured_zone(database: Database, settings: object) -> None:
    settings.PARTITION_TIMEZONE = "America/New_York"  # type: ignore[attr-defined]
    maintain.maintain("fleet.ship")
    shown = [line.split() for line in timepart("status", "fleet.ship").lines[6:]]
    assert [(start[-3:], end[-3:]) for _, start, _, end, *_ in shown] == [("-01", "-01")] * 3
    (found,) = timepart("status", "fleet.ship", "--json").json
    assert found["partitions"][0]["start"][11:] in {"04:00:00+00:00", "05:00:00+00:00"}
