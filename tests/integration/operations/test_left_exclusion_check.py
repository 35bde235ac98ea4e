"""An exclusion CHECK that a failed or killed attach left on a default partition is dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from django.db import IntegrityError

from pg_timepart.errors import TimepartError
from pg_timepart.maintenance.maintain import maintain, maintain_all
from pg_timepart.maintenance.reconcile import reconcile
from pg_timepart.status import status_of
from tests.apps.fleet.models import Ship
from tests.support.command_line import timepart
from tests.support.database import Database, at, outcomes, queries_of_an_idle_pass
from tests.support.fault_injection import killed
from tests.support.other_runs import another_run_on
from tests.support.processes import session

MAY = at("2024-05-15 10:30")
OLD, NEXT = at("1999-01-01"), at("1999-02-01")

CHECKS = """
SELECT conname FROM pg_constraint WHERE contype = 'c' AND coninhcount = 0
AND conrelid = 'fleet_rest'::regclass ORDER BY conname
"""


@pytest.fixture
def left(database_with_default: Database) -> Database:
    """The same, with an exclusion CHECK that an interrupted run left."""
    database_with_default.execute(
        "ALTER TABLE fleet_rest ADD CONSTRAINT pg_timepart_excludes"
        " CHECK (sailed_at < '1999-01-01' OR sailed_at >= '1999-02-01') NOT VALID"
    )
    return database_with_default


@contextmanager
def a_report_that_begins_with(database: Database, part: str) -> Iterator[Any]:
    """Have a report read the default partition from just before such a statement runs."""
    with session("report") as report:

        def begin(execute: Callable[..., Any], statement: str, *database_with_default: Any) -> Any:
            if part in statement:
                report.execute("BEGIN")
                report.execute("SELECT count(*) FROM fleet_rest")
            return execute(statement, *database_with_default)

        with database.connection.execute_wrapper(begin):
            yield report


def refusals() -> list[str]:
    """Return what the status says of the default partition."""
    return [
        each for each in map(str, status_of(Ship).problems) if "fleet_rest refuses rows" in each
    ]


def test_what_cannot_be_taken_back_yet_is_told_after_the_real_reason(
    database_with_default: Database, settings: Any
) -> None:
    settings.PG_TIMEPART = {"LOCK_WAIT_SECONDS": 1}
    Ship.objects.create(sailed_at=OLD)
    with a_report_that_begins_with(database_with_default, "VALIDATE") as report:
        with pytest.raises(TimepartError) as raised:
            Ship.partitioning.create_range(OLD, NEXT)
        report.execute("COMMIT")
    said = str(raised.value)
    assert "fleet_rest holds rows of this range: move them out first." in said
    assert "refused until the next pass" in said
    assert "'report'" in said
    run = database_with_default.runs(Ship)[0]
    assert (run.operation, run.outcome) == ("create", "failed")
    assert outcomes(maintain("fleet.ship", now=MAY)) == [("release", "done")]
    Ship.objects.create(sailed_at=OLD)


def test_an_attach_tells_the_same(database_with_default: Database, settings: Any) -> None:
    settings.PG_TIMEPART = {"LOCK_WAIT_SECONDS": 1}
    database_with_default.cover(Ship, "1999-01-01", "1999-02-01")
    database_with_default.log(Ship, "1999-01-01").detach()
    Ship.objects.create(sailed_at=OLD)
    with a_report_that_begins_with(database_with_default, '"fleet_rest" VALIDATE') as report:
        with pytest.raises(TimepartError, match=r"holds rows of this range.*until the next pass"):
            database_with_default.log(Ship, "1999-01-01").attach()
        report.execute("COMMIT")
    maintain("fleet.ship", now=MAY)
    assert database_with_default.query(CHECKS) == []


def test_a_pass_with_nothing_to_create_takes_it_back_and_records_it(left: Database) -> None:
    with pytest.raises(IntegrityError, match="pg_timepart_excludes"):
        Ship.objects.create(sailed_at=OLD)
    report = maintain("fleet.ship", now=MAY)
    assert [(each.kind, each.partition) for each in report.actions] == [("release", "fleet_rest")]
    assert report.outcome == "done"
    (statement,) = left.runs(Ship)[0].actions[0]["statements"]
    assert statement.endswith('"fleet_rest" DROP CONSTRAINT "pg_timepart_excludes"')
    Ship.objects.create(sailed_at=OLD)
    assert maintain("fleet.ship", now=MAY).outcome == "unchanged"


def test_a_pass_over_all_tables_takes_it_back_too(left: Database) -> None:
    (report,) = [each for each in maintain_all(now=MAY) if each.label == "fleet.ship"]
    assert outcomes(report) == [("release", "done")]
    assert left.query(CHECKS) == []


def test_it_goes_before_a_partition_is_made(left: Database) -> None:
    report = maintain("fleet.ship", now=at("2024-06-15"))
    assert outcomes(report) == [("release", "done"), ("create", "done")]
    assert left.query(CHECKS) == []


def test_it_gives_way_to_a_reader_and_goes_once_he_is_done(left: Database, settings: Any) -> None:
    settings.PG_TIMEPART = {"LOCK_WAIT_SECONDS": 0.5}
    with session("report") as report:
        report.execute("BEGIN")
        report.execute("SELECT count(*) FROM fleet_rest")
        deferred = maintain("fleet.ship", now=MAY)
        report.execute("COMMIT")
    assert outcomes(deferred) == [("release", "deferred")]
    assert "'report'" in deferred.reason
    assert outcomes(maintain("fleet.ship", now=MAY)) == [("release", "done")]


def test_the_check_of_a_run_at_work_is_left_alone(left: Database) -> None:
    with another_run_on(Ship):
        assert maintain("fleet.ship", now=MAY).outcome == "deferred"
        assert refusals() == []
    assert left.query(CHECKS) == ["pg_timepart_excludes"]


def test_checks_of_the_user_stay(left: Database) -> None:
    left.execute("ALTER TABLE fleet_rest ADD CONSTRAINT pgxtimepart_excludes CHECK (id > 0)")
    left.execute("ALTER TABLE fleet_rest ADD CONSTRAINT theirs CHECK (id > 0) NOT VALID")
    maintain("fleet.ship", now=MAY)
    assert left.query(CHECKS) == ["pgxtimepart_excludes", "theirs"]


def test_a_check_of_that_name_elsewhere_stays(database_with_default: Database) -> None:
    (first, *_) = (row.table_name for row in database_with_default.logs(Ship))
    database_with_default.execute(
        f"ALTER TABLE {first} ADD CONSTRAINT pg_timepart_excludes CHECK (id > 0)"
    )
    assert maintain("fleet.ship", now=MAY).outcome == "unchanged"


def test_reconcile_touches_no_table(left: Database) -> None:
    assert reconcile("fleet.ship", now=MAY).outcome == "unchanged"
    assert left.query(CHECKS) == ["pg_timepart_excludes"]


def test_status_says_that_rows_are_refused_and_what_ends_it(left: Database) -> None:
    (found,) = refusals()
    assert "timepart maintain fleet.ship" in found
    maintain("fleet.ship", now=MAY)
    assert refusals() == []


def test_plan_shows_it(left: Database) -> None:
    left.execute("ALTER TABLE fleet_rest RENAME CONSTRAINT pg_timepart_excludes TO other")
    before = timepart("plan", "fleet.ship").out
    left.execute("ALTER TABLE fleet_rest RENAME CONSTRAINT other TO pg_timepart_excludes")
    shown = timepart("plan", "fleet.ship").out
    assert "-- drop the exclusion CHECK on default partition fleet_rest: " in shown
    assert shown.count('DROP CONSTRAINT "pg_timepart_excludes"') == 1 + before.count("DROP CONS")


def test_an_idle_pass_beside_a_default_partition_is_four_queries(
    database_with_default: Database,
) -> None:
    queries = queries_of_an_idle_pass(database_with_default, MAY)
    assert len(queries) <= 4, queries


def test_after_a_create_was_killed_anywhere_the_next_pass_leaves_no_check(
    database_with_default: Database,
) -> None:
    for point in count(1, 3):
        place = killed(point, lambda: Ship.partitioning.create_range(OLD, NEXT))
        if place is None:
            break
        report = maintain("fleet.ship", now=MAY)
        assert report.outcome in ("done", "unchanged"), place
        assert database_with_default.query(CHECKS) == [], place
        Ship.objects.create(sailed_at=OLD)
        database_with_default.execute("DELETE FROM fleet_ship WHERE sailed_at < '2000-01-01'")
        for row in database_with_default.logs(Ship):
            if row.start == OLD:
                row.detach()
                row.delete()
        database_with_default.execute(
            "UPDATE pg_class SET relpages = 1000 WHERE relname = 'fleet_rest'"
        )
