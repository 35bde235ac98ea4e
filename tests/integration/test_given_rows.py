"""Rows of partitions as arguments: read anew afterwards, and refused where they are none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from pg_timepart.errors import InvalidPolicy, OperationFailed
from pg_timepart.models import PartitionLog
from tests.fleet.models import Ship
from tests.fleet.yard import Yard, at

pytest_plugins = ("tests.fleet.fixtures",)

JANUARY = "fleet_ship_20240101_20240201"
PIN = at("2999-01-01")


@pytest.fixture
def log(yard: Yard) -> PartitionLog:
    """The row of an attached January."""
    yard.cover(Ship, "2024-01-01", "2024-02-01")
    return yard.log(Ship, "2024-01-01")


def facts(log: PartitionLog) -> tuple[bool, bool, datetime | None]:
    return log.is_attached, log.detached_at is None, log.detach_time


def test_the_row_knows_what_was_done(log: PartitionLog) -> None:
    assert facts(log) == (True, True, None)
    log.detach()
    assert facts(log) == (False, False, None)
    log.attach(detach_time=PIN)
    assert facts(log) == (True, True, PIN)


def test_saving_the_row_afterwards_takes_nothing_back(yard: Yard, log: PartitionLog) -> None:
    log.detach()
    log.save()
    assert not yard.log(Ship, "2024-01-01").is_attached


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
    yard: Yard, log: PartitionLog, operate: Callable[[PartitionLog], Any]
) -> None:
    yard.execute(f"DROP TABLE {JANUARY}")
    for _ in range(2):
        with pytest.raises(OperationFailed, match=f"{JANUARY} does not exist any more"):
            operate(log)


@pytest.mark.parametrize("wrong", [JANUARY, 5, [], object])
@pytest.mark.parametrize("operation", ["detach", "attach", "delete", "truncate"])
def test_what_is_no_row_is_named(yard: Yard, operation: str, wrong: Any) -> None:
    with pytest.raises(InvalidPolicy) as caught:
        getattr(Ship.partitioning, f"{operation}_partition")(wrong)
    assert str(caught.value) == (
        "A partition is given by its row, such as one of Ship.partitioning.config.logs,"
        f" not by {wrong!r}."
    )


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


def test_what_is_no_moment_is_named(yard: Yard) -> None:
    wrong: Any = "2024"
    missing: Any = None
    with pytest.raises(InvalidPolicy, match="start must be an aware datetime, not None"):
        Ship.partitioning.create_range(missing, PIN)
    with pytest.raises(InvalidPolicy, match="end must be an aware datetime, not '2024'"):
        Ship.partitioning.create_range(PIN, wrong)
    with pytest.raises(InvalidPolicy, match="detach_time must be an aware datetime, not '2024'"):
        Ship.partitioning.attach_partition(None, wrong)
