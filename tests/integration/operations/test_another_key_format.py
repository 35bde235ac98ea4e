"""A key format that the package does not have: one class is all that it takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, ClassVar

import pytest
from django.db import IntegrityError, models
from hypothesis import given
from hypothesis import strategies as st

from pg_timepart.checks.models import check_model
from pg_timepart.errors import UnknownName
from pg_timepart.manager import TimeRangePartitioningSupport
from pg_timepart.partitions.bounds import EPOCH, BoundLiterals, Bounds, literals_in
from pg_timepart.partitions.key_formats import registry
from pg_timepart.partitions.key_formats.base import FIRST_DAY, LAST_DAY, Beyond, KeyFormat
from pg_timepart.partitions.periods import Period
from pg_timepart.partitions.tables import Parent
from pg_timepart.partitions.time_zones import in_utc, start_of_day
from pg_timepart.postgres.catalog import read_parent
from pg_timepart.postgres.table_details import read_leaf
from tests.support.database import Database, at, outcomes

pytest_plugins = ("tests.support.database_fixtures",)


@dataclass(frozen=True, slots=True)
class EpochKey(KeyFormat):
    """Seconds since 1970, as a whole number."""

    name: ClassVar[str] = "epoch"
    field_class = models.IntegerField
    column_types: ClassVar[tuple[str, ...]] = ("bigint", "integer")

    def value(self, moment: datetime, zone: tzinfo) -> int:
        return (in_utc(moment) - EPOCH) // timedelta(seconds=1)

    def moment(self, literal: str, zone: tzinfo) -> datetime | Beyond:
        try:
            return EPOCH + timedelta(seconds=int(literal))
        except OverflowError:
            return Beyond.EARLIER if literal.startswith("-") else Beyond.LATER


@pytest.fixture
def epoch() -> Iterator[EpochKey]:
    registry.register(EpochKey())
    yield EpochKey()
    registry.unregister("epoch")


@pytest.fixture(params=[models.BigIntegerField, models.IntegerField])
def counted(request: pytest.FixtureRequest, epoch: EpochKey, database: Database) -> Any:
    """A model whose key is a number, with its table."""
    return database.build(at=request.param(), key_format="epoch")


def read(database: Database) -> Parent:
    found = read_parent(database.connection, "fleet_raft", zone=UTC, key_format=EpochKey())
    assert found is not None
    return found


def day(text: str) -> int:
    return int(at(text).timestamp())


@given(st.integers(0, 2**33), st.integers(0, 2**33))
def test_it_reads_what_it_writes(one: int, other: int) -> None:
    start, end = (EPOCH + timedelta(seconds=each) for each in sorted((one, other)))
    bounds = Bounds(start=start, end=end)
    assert EpochKey().read(EpochKey().write(bounds, UTC), UTC) == bounds


@pytest.mark.parametrize(
    ("printed", "start", "end"),
    [
        ("FROM ('1704067200') TO ('1706745600')", at("2024-01-01"), at("2024-02-01")),
        ("FROM (1704067200) TO (1706745600)", at("2024-01-01"), at("2024-02-01")),
        ("FROM (MINVALUE) TO ('-86400')", None, at("1969-12-31")),
        ("FROM ('0') TO (MAXVALUE)", at("1970-01-01"), None),
        ("FROM ('-9000000000000000') TO ('9000000000000000')", None, None),
        ("FROM ('9000000000000000') TO (MAXVALUE)", start_of_day(LAST_DAY, UTC), None),
        ("FROM (MINVALUE) TO ('-9000000000000000')", None, start_of_day(FIRST_DAY, UTC)),
    ],
)
def test_it_reads_bounds_as_the_server_prints_them(
    printed: str, start: datetime | None, end: datetime | None
) -> None:
    literals = literals_in(f"FOR VALUES {printed}")
    assert literals is not None
    assert EpochKey().read(literals, UTC) == Bounds(start=start, end=end)


def test_it_cuts_by_every_period() -> None:
    january = Period("Month").bounds_at(at("2024-01-15"), UTC)  # type: ignore[arg-type]
    assert EpochKey().write(january, UTC) == BoundLiterals(lower="1704067200", upper="1706745600")


def test_a_declaration_and_its_migrations_name_it(epoch: EpochKey, database: Database) -> None:
    manager = database.build(at=models.BigIntegerField(), key_format="epoch").partitioning
    assert manager.declaration.key_format == epoch
    _, _, _, args, kwargs = manager.deconstruct()
    assert (args, kwargs) == (("at",), {"key_format": "epoch"})


def test_a_name_that_nobody_registered_is_refused() -> None:
    support = TimeRangePartitioningSupport("at", key_format="epoch")
    with pytest.raises(UnknownName, match="There is no key format named 'epoch'"):
        support(models.Model)


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (models.DateTimeField(), "is a DateTimeField"),
        (models.SmallIntegerField(), "of the type smallint, which is neither bigint nor integer"),
    ],
)
def test_a_field_that_it_does_not_fit_is_reported(
    epoch: EpochKey, database: Database, field: Any, words: str
) -> None:
    (message,) = [
        each
        for each in check_model(database.build(at=field, key_format="epoch"))
        if each.id == "pg_timepart.E002"
    ]
    assert words in message.msg
    assert message.hint is not None
    assert message.hint.startswith("Partition by a field of class IntegerField")


def test_its_table_is_created_ahead_written_and_read_back(counted: Any, database: Database) -> None:
    assert database.maintain(counted, "2024-05-15").outcome == "done"
    assert database.maintain(counted, "2024-05-15").outcome == "unchanged"
    (may, june) = database.logs(counted)
    assert (may.table_name, june.start) == ("fleet_raft_20240501_20240601", at("2024-06-01"))
    counted.objects.create(at=day("2024-05-20"))
    assert database.one(f"SELECT count(*) FROM {may.table_name}") == 1
    with pytest.raises(IntegrityError, match="no partition"):
        counted.objects.create(at=day("2025-01-01"))


def test_its_partition_is_detached_and_attached_without_a_second_check(
    counted: Any, database: Database
) -> None:
    (log,) = database.cover(counted, "2024-01-01", "2024-02-01")
    counted.partitioning.detach_partition(log)
    log.refresh_from_db()
    details = read_leaf(
        database.connection, read(database), log.relation, EpochKey().write(log.bounds, UTC)
    )
    assert [each.is_validated for each in details.bounds_checks] == [True]
    assert outcomes(counted.partitioning.attach_partition(log)) == [("attach", "done")]
    assert [each.bounds for each in read(database).partitions] == [log.bounds]


def test_a_table_without_a_check_is_attached_within_its_bounds(
    counted: Any, database: Database
) -> None:
    (log,) = database.cover(counted, "2024-01-01", "2024-02-01")
    counted.partitioning.detach_partition(log, concurrently=False)
    log.refresh_from_db()
    assert outcomes(counted.partitioning.attach_partition(log)) == [("attach", "done")]
    assert database.children(counted) == {
        log.table_name: f"FOR VALUES FROM ({_printed(counted, '2024-01-01')})"
        f" TO ({_printed(counted, '2024-02-01')})"
    }


def test_what_is_past_retention_is_retired(counted: Any, database: Database) -> None:
    database.configure(counted, interval=1)
    database.cover(counted, "2024-01-01", "2024-02-01")
    report = database.maintain(counted, "2024-05-15")
    assert ("detach", "done") in outcomes(report)


def _printed(model: Any, text: str) -> str:
    """Return a bound as the server prints it: an int4 is bare."""
    is_bare = type(model._meta.get_field("at")) is models.IntegerField
    return str(day(text)) if is_bare else f"'{day(text)}'"
