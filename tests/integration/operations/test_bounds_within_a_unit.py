"""Tables that others partitioned by a key that holds its time, at bounds within a millisecond."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.db import models

from pg_timepart import Snowflake
from pg_timepart.partitions.key_formats.base import KeyFormat
from pg_timepart.partitions.key_formats.registry import key_format_named
from tests.support.database import Database, at, notices_of, outcomes

pytest_plugins = ("tests.support.database_fixtures",)

SNOWFLAKE = Snowflake(epoch=datetime(2015, 1, 1, tzinfo=UTC), shift=22)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A key, and three bounds as people write them: of January, February and March 2024."""

    key_format: KeyFormat | str
    field: type[models.Field[Any, Any]]
    bounds: tuple[str, str, str]


def snowflake(text: str, low: int) -> str:
    value = SNOWFLAKE.value(at(text), UTC)
    assert isinstance(value, int)
    return str(value + low)


def uuid7(text: str, rest: str) -> str:
    return f"{str(key_format_named('uuid7').value(at(text), UTC))[:14]}{rest}"


CASES = {
    "uuid7": Case(
        key_format="uuid7",
        field=models.UUIDField,
        bounds=(
            uuid7("2024-01-01", "7000-8000-000000000000"),
            uuid7("2024-02-01", "7000-8000-000000000000"),
            uuid7("2024-03-01", "7abc-9000-000000000001"),
        ),
    ),
    "snowflake": Case(
        key_format=SNOWFLAKE,
        field=models.BigIntegerField,
        bounds=(
            snowflake("2024-01-01", 5),
            snowflake("2024-02-01", 1),
            snowflake("2024-03-01", 4_000_000),
        ),
    ),
    "int4": Case(
        key_format="epoch_s",
        field=models.IntegerField,
        bounds=("-17", "1706745601", "1709251200"),
    ),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def raft(case: Case, database: Database) -> Any:
    """The model with the table that others made, in UTC."""
    raft = database.build(
        id=case.field(primary_key=True),
        at=models.DateTimeField(null=True),
        key="id",
        key_format=case.key_format,
    )
    january, february, march = case.bounds
    for name, lower, upper in (("one", january, february), ("two", february, march)):
        database.execute(
            f"CREATE TABLE fleet_raft_{name} PARTITION OF fleet_raft"
            f" FOR VALUES FROM ('{lower}') TO ('{upper}')"
        )
    return raft


def sides(database: Database, raft: Any) -> list[tuple[str, str]]:
    """Return both bounds of each partition, in order, as the server has them."""
    texts = database.children(raft).values()
    found = [each.removeprefix("FOR VALUES FROM (").removesuffix(")") for each in texts]
    pairs = [tuple(side.strip("'") for side in each.split(") TO (")) for each in found]
    return sorted(((lower, upper) for lower, upper in pairs), key=lambda pair: _number(pair[0]))


def _number(bound: str) -> int:
    return UUID(bound).int if len(bound) == 36 else int(bound)


def _beside(raft: Any, bound: str) -> list[Any]:
    """Return the last key before a bound, and the first one from it on, as rows can have them."""
    number = _number(bound)
    if not isinstance(raft._meta.get_field("id"), models.UUIDField):
        return [number - 1, number]
    return [UUID(int=_version_7(number - 1)), UUID(int=number | 7 << 76)]


def _version_7(number: int) -> int:
    return number & ~(15 << 76) | 7 << 76


def test_a_pass_continues_where_the_others_ended(raft: Any, case: Case, database: Database) -> None:
    report = database.maintain(raft, "2024-03-10")
    assert outcomes(report) == [("create", "done")] * 2
    found = sides(database, raft)
    assert found[0][0] == case.bounds[0]
    assert [upper for _, upper in found[:-1]] == [lower for lower, _ in found[1:]]
    for _, bound in found[:-1]:
        raft.objects.bulk_create([raft(pk=each) for each in _beside(raft, bound)])
    assert database.maintain(raft, "2024-03-10").outcome == "unchanged"


@pytest.mark.parametrize("way", ["concurrently", "in a transaction", "by hand"])
def test_a_detached_partition_gets_the_bounds_back_that_it_had(
    raft: Any, case: Case, database: Database, way: str
) -> None:
    database.maintain(raft, "2024-03-10")
    before = sides(database, raft)
    rows = [each for bound in case.bounds[1:] for each in _beside(raft, bound)]
    raft.objects.bulk_create([raft(pk=each) for each in rows])
    log = database.logs(raft)[1]
    if way == "by hand":
        database.execute("ALTER TABLE fleet_raft DETACH PARTITION fleet_raft_two CONCURRENTLY")
    else:
        raft.partitioning.detach_partition(log, concurrently=way == "concurrently")
    assert raft.objects.count() == len(rows) - 2
    with notices_of(database) as told:
        raft.partitioning.attach_partition(log)
    assert any("is implied by existing constraints" in each for each in told), told
    assert (sides(database, raft), raft.objects.count()) == (before, len(rows))
    assert database.maintain(raft, "2024-03-10").outcome == "unchanged"


def test_what_is_made_between_partitions_of_others_touches_both(
    raft: Any, database: Database
) -> None:
    database.maintain(raft, "2024-03-10")
    before = sides(database, raft)
    database.execute("DROP TABLE fleet_raft_two")
    start, end = at("2024-02-01"), at("2024-03-01")
    raft.partitioning.create_range(start, end)
    assert sides(database, raft) == before
