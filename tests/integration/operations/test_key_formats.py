"""The key formats of ids that hold their time, each through the life of a table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, models

from pg_timepart import Snowflake
from pg_timepart.partitions.key_formats.base import KeyFormat
from pg_timepart.partitions.key_formats.registry import key_format_named
from tests.support.database import Database

pytest_plugins = ("tests.support.database_fixtures",)

SNOWFLAKE = Snowflake(epoch=datetime(2015, 1, 1, tzinfo=UTC), shift=22)
FORMATS = {
    "uuid7": models.UUIDField,
    "epoch_s": models.BigIntegerField,
    "epoch_ms": models.BigIntegerField,
    "epoch_us": models.BigIntegerField,
    SNOWFLAKE: models.BigIntegerField,
}


@pytest.fixture(params=FORMATS, ids=str)
def key_format(request: pytest.FixtureRequest) -> KeyFormat:
    given = request.param
    return given if isinstance(given, KeyFormat) else key_format_named(given)


@pytest.fixture
def raft(key_format: KeyFormat, database: Database) -> Any:
    """A model whose primary key is the partition key, with its table."""
    field = FORMATS.get(key_format) or FORMATS[key_format.name]
    return database.build(
        id=field(primary_key=True),
        at=models.DateTimeField(null=True),
        key="id",
        key_format=key_format,
    )


def test_the_last_id_of_a_period_lands_in_it(
    raft: Any, key_format: KeyFormat, database: Database
) -> None:
    (march, april) = database.cover(raft, "2024-03-01", "2024-05-01")
    assert april.start is not None
    first = key_format.value(april.start, UTC)
    last: Any = UUID(int=first.int - 1) if isinstance(first, UUID) else first - 1  # type: ignore[operator]
    if isinstance(last, UUID):
        last = UUID(int=last.int - (8 << 76))  # of version 7
    raft.objects.create(pk=last)
    raft.objects.create(pk=_valid(first))
    assert database.one(f"SELECT id FROM {march.table_name}") == last
    assert raft.partitioning.during(march.start, march.end).get().pk == last
    assert raft.partitioning.during(april.start, april.end).get().pk == _valid(first)


def _valid(value: Any) -> Any:
    return UUID(int=value.int | 7 << 76) if isinstance(value, UUID) else value


def test_other_versions_of_uuids_are_refused_also_by_a_default_partition(
    database: Database,
) -> None:
    raft = database.build(
        id=models.UUIDField(primary_key=True),
        at=models.DateTimeField(null=True),
        key="id",
        key_format="uuid7",
    )
    database.execute("CREATE TABLE fleet_raft_rest PARTITION OF fleet_raft DEFAULT")
    with pytest.raises(IntegrityError, match="fleet_raft_id_time"):
        raft.objects.create(pk=uuid4())
