"""Rows of partitions as arguments, one or many: read anew afterwards, refused where none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from pg_timepart.constants import Outcome
from pg_timepart.errors import InvalidPolicy, OperationFailed, UnknownName
from pg_timepart.models import PartitionLog, PartitionLogQuerySet
from tests.apps.fleet.models import Cargo, Ship
from tests.support.database import Database, at, outcomes

JANUARY = "fleet_ship_20240101_20240201"
PIN = at("2999-01-01")


@pytest.fixture
def log(database: Database) -> PartitionLog:
    """The row of an attached January."""
    database.cover(Ship, "2024-01-01", "2024-02-01")
    return database.log(Ship, "2024-01-01")


def facts(log: PartitionLog) -> tuple[bool, bool, datetime | None]:
    return log.is_attached, log.detached_at is None, log.detach_time


def test_the_row_knows_what_was_done(log: PartitionLog) -> None:
    assert facts(log) == (True, True, None)
    log.detach()
    assert facts(log) == (False, False, None)
    log.attach(detach_time=PIN)
    assert facts(log) == (True, True, PIN)


def test_saving_the_row_afterwards_takes_nothing_back(
    database: Database, log: PartitionLog
) -> None:
    log.detach()
    log.save()
    assert not database.log(Ship, "2024-01-01").is_attached


@pytest.mark.parametrize(
    "operate",
    [
        PartitionLog.detach,
        PartitionLog.attach,
        PartitionLog.truncate,
        lambda log: log.set_tablespace("pg_default"),
    ],
)
def test_one_that_is_gone_is_not_skipped_in_silence(
    database: Database, log: PartitionLog, operate: Callable[[PartitionLog], Any]
) -> None:
    database.execute(f"DROP TABLE {JANUARY}")
    for _ in range(2):
        with pytest.raises(OperationFailed, match=f"{JANUARY}.* does not exist any more"):
            operate(log)


@pytest.mark.parametrize("wrong", [JANUARY, 5, PartitionLog, b"x", False])
@pytest.mark.parametrize("operation", ["detach", "attach", "delete", "truncate", "move"])
def test_what_is_no_row_is_named(database: Database, operation: str, wrong: Any) -> None:
    for given in (wrong, [wrong]):
        with pytest.raises(InvalidPolicy) as caught:
            getattr(Ship.partitioning, f"{operation}_partition")(given)
        assert str(caught.value) == (
            "A partition is given by its row, or several by an iterable of rows, such as"
            f" Ship.partitioning.config.logs.all(), not by {wrong!r}."
        )


@pytest.mark.parametrize("operation", ["delete", "truncate", "move"])
def test_only_what_has_a_meaning_for_all_takes_none(database: Database, operation: str) -> None:
    with pytest.raises(InvalidPolicy, match="not by None"):
        getattr(Ship.partitioning, f"{operation}_partition")()


MANY: list[Callable[[PartitionLogQuerySet], Any]] = [
    lambda found: found,
    list,
    set,
    tuple,
    lambda found: (each for each in found),
    lambda found: [*found, *found],
    lambda found: dict.fromkeys(found).keys(),
]


@pytest.fixture
def two(database: Database) -> PartitionLogQuerySet:
    """The rows of January and February; March is there too."""
    database.cover(Ship, "2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01")
    return database.configure(Ship).logs.filter(start__lt=at("2024-03-01"))


@pytest.mark.parametrize("many", MANY)
def test_any_iterable_of_rows_is_taken(
    database: Database, two: PartitionLogQuerySet, many: Callable[[PartitionLogQuerySet], Any]
) -> None:
    support = Ship.partitioning
    assert outcomes(support.detach_partition(many(two.all()))) == [("detach", "done")] * 2
    assert database.ranges(Ship) == [("2024-03-01", "2024-04-01")]
    assert outcomes(support.attach_partition(many(two.all()), PIN)) == [("attach", "done")] * 2
    assert [each.detach_time for each in database.logs(Ship)] == [PIN, PIN, None]
    assert outcomes(support.truncate_partition(many(two.all()))) == [("truncate", "done")] * 2
    moved = support.move_partition(many(two.all()), "pg_default")
    assert outcomes(moved) == [("move", "done")] * 2
    support.detach_partition(two)
    assert outcomes(support.delete_partition(many(two.all()))) == [("drop", "done")] * 2
    assert [each.start for each in database.logs(Ship)] == [at("2024-03-01")]


def test_every_row_that_was_given_knows_what_was_done(two: PartitionLogQuerySet) -> None:
    queryset, again = two.all(), list(two)
    Ship.partitioning.detach_partition([*queryset, *again])
    assert [each.is_attached for each in (*queryset, *again)] == [False] * 4
    Ship.partitioning.attach_partition(logs=queryset, detach_time=PIN)
    assert [facts(each) for each in queryset] == [(True, True, PIN)] * 2


def test_where_one_fails_the_rows_know_what_was_done_to_the_others(
    database: Database, two: PartitionLogQuerySet
) -> None:
    january, february = two
    database.execute(f"DROP TABLE {JANUARY}")
    with pytest.raises(OperationFailed, match=f"{JANUARY}.* does not exist any more"):
        Ship.partitioning.detach_partition([january, february])
    assert (january.is_attached, february.is_attached) == (True, False)


@pytest.mark.parametrize("none", [[], (), set(), PartitionLog.objects.none()])
def test_of_an_empty_iterable_nothing_is_done(
    database: Database, two: PartitionLogQuerySet, none: Any
) -> None:
    database.configure(Ship, interval=1)
    before = database.ranges(Ship)
    support = Ship.partitioning
    ended = [
        support.detach_partition(none),
        support.attach_partition(none, PIN),
        support.delete_partition(none),
        support.truncate_partition(none),
        support.move_partition(none, "pg_default"),
    ]
    assert {each.outcome for each in ended} == {Outcome.UNCHANGED}
    assert database.ranges(Ship) == before
    assert {each.detach_time for each in database.logs(Ship)} == {None}


def test_the_former_keyword_goes_on_working(log: PartitionLog) -> None:
    support = Ship.partitioning
    support.detach_partition(partition_log=log, concurrently=False)
    assert not log.is_attached
    support.attach_partition(partition_log=[log], detach_time=PIN)
    assert facts(log) == (True, True, PIN)
    support.truncate_partition(partition_log=log)
    support.move_partition(partition_log=log, tablespace="pg_default")
    with pytest.raises(InvalidPolicy, match="logs and partition_log are the same argument"):
        support.detach_partition(log, partition_log=log)
    log.detach()
    support.delete_partition(partition_log=log)
    assert not PartitionLog.objects.filter(pk=log.pk).exists()


def test_rows_of_another_model_are_refused_before_anything_is_done(
    database: Database, log: PartitionLog
) -> None:
    database.cover(Cargo, "2024-01-01", "2024-02-01")
    stranger = database.log(Cargo, "2024-01-01")
    with pytest.raises(UnknownName, match=r"no partition of fleet\.ship named 'fleet_cargo"):
        Ship.partitioning.detach_partition([log, stranger])
    assert database.log(Ship, "2024-01-01").is_attached


@pytest.mark.parametrize("wrong", ["", "nowhere"])
def test_a_move_to_no_tablespace_names_the_known_ones(log: PartitionLog, wrong: str) -> None:
    with pytest.raises(
        OperationFailed, match=f"no tablespace named '{wrong}'. Known: .*pg_default"
    ):
        log.set_tablespace(wrong)
    log.refresh_from_db()
    assert log.unfinished == ""


@pytest.mark.parametrize("wrong", [None, 5])
def test_a_move_to_what_is_no_name_is_refused(log: PartitionLog, wrong: Any) -> None:
    with pytest.raises(InvalidPolicy, match=f"given by its name, not by {wrong}"):
        log.set_tablespace(wrong)
    log.refresh_from_db()
    assert log.unfinished == ""


def test_what_is_no_moment_is_named(database: Database) -> None:
    wrong: Any = "2024"
    missing: Any = None
    with pytest.raises(InvalidPolicy, match="start must be an aware datetime, not None"):
        Ship.partitioning.create_range(missing, PIN)
    with pytest.raises(InvalidPolicy, match="end must be an aware datetime, not '2024'"):
        Ship.partitioning.create_range(PIN, wrong)
    with pytest.raises(InvalidPolicy, match="detach_time must be an aware datetime, not '2024'"):
        Ship.partitioning.attach_partition(None, wrong)
