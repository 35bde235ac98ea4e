"""Rows by the time of their key, for each key format, and asking for them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.sync import async_to_sync
from django.db import IntegrityError, models
from django.db.models.functions import Now
from django.test import override_settings

import pg_timepart
from pg_timepart import Snowflake
from pg_timepart.errors import InvalidPolicy
from pg_timepart.partitions.key_formats.base import KeyFormat
from pg_timepart.partitions.key_formats.registry import key_format_named
from pg_timepart.testing import assert_prunes
from tests.apps.fleet.models import Cargo, Port
from tests.support.database import Database, at

pytest_plugins = ("tests.support.database_fixtures",)

SNOWFLAKE = Snowflake(epoch=datetime(2015, 1, 1, tzinfo=UTC), shift=22)
FORMATS: dict[Any, Any] = {
    "uuid7": models.UUIDField,
    "epoch_s": models.BigIntegerField,
    "epoch_ms": models.BigIntegerField,
    "epoch_us": models.BigIntegerField,
    SNOWFLAKE: models.BigIntegerField,
}
IMPLIED = {"timestamp": models.DateTimeField, "date": models.DateField}
VERSION_7 = 7 << 76


def build(database: Database, key_format: KeyFormat, **fields: Any) -> Any:
    known = {**FORMATS, **IMPLIED}
    field = known.get(key_format) or known[key_format.name]
    return database.build(
        id=field(primary_key=True),
        at=models.DateTimeField(null=True),
        key="id",
        key_format=key_format,
        **fields,
    )


def valid(value: Any) -> Any:
    """Return a bound as a row may have it: a UUID with its version."""
    return UUID(int=value.int | VERSION_7) if isinstance(value, UUID) else value


def before(value: Any) -> Any:
    """Return the last value before a bound that a row may have."""
    match value:
        case UUID():
            return UUID(int=value.int - 1 - (8 << 76))
        case datetime():
            return value - timedelta(microseconds=1)
        case date():
            return value - timedelta(days=1)
    return value - 1


@override_settings(PARTITION_TIMEZONE="Europe/Berlin")
@pytest.mark.parametrize("name", [*FORMATS, *IMPLIED], ids=str)
def test_rows_land_by_the_instant_and_a_time_is_asked_for_by_it(
    name: Any, database: Database
) -> None:
    key_format = name if isinstance(name, KeyFormat) else key_format_named(name)
    raft = build(database, key_format)
    ends = [
        at(f"2024-{month}-01T00:00:00{zone}")
        for month, zone in (("03", "+01:00"), ("04", "+02:00"), ("05", "+02:00"))
    ]
    march, april = database.cover(raft, *(each.isoformat() for each in ends))
    assert [march.start, march.end, april.end] == ends
    first = valid(raft.partitioning.key_at(ends[1]))
    last = before(raft.partitioning.key_at(ends[1]))
    raft.objects.create(pk=last)
    raft.objects.create(pk=first)
    assert database.one(f"SELECT id FROM {march.table_name}") == last
    assert database.one(f"SELECT id FROM {april.table_name}") == first
    of_march = raft.partitioning.during(march.start, march.end)
    assert of_march.get().pk == last
    assert raft.partitioning.during(ends[1], None).get().pk == first
    assert raft.partitioning.during(None, ends[1]).get().pk == last
    assert raft.partitioning.during(None, None).count() == 2
    assert april.table_name not in of_march.explain()
    assert "Removed" not in of_march.explain()
    for outside in (
        before(raft.partitioning.key_at(ends[0])),
        valid(raft.partitioning.key_at(ends[2])),
    ):
        with pytest.raises(IntegrityError, match="no partition of relation"):
            raft.objects.create(pk=outside)


@pytest.fixture
def uuid_raft(database: Database) -> Any:
    """A model with a uuid7 id, with partitions of now."""
    raft = database.build(
        id=models.UUIDField(primary_key=True, default=pg_timepart.uuid7),
        at=models.DateTimeField(default=None, null=True),
        code=models.CharField(max_length=9, default=""),
        key="id",
        key_format="uuid7",
    )
    raft.partitioning.create_partition(40)
    return raft


def test_other_versions_of_uuids_are_refused_also_by_a_default_partition(
    uuid_raft: Any, database: Database
) -> None:
    database.execute("CREATE TABLE fleet_raft_rest PARTITION OF fleet_raft DEFAULT")
    with pytest.raises(IntegrityError, match="fleet_raft_id_time"):
        uuid_raft.objects.create(pk=uuid4())


def test_new_partitions_have_the_check_and_one_without_gets_it_when_attached(
    uuid_raft: Any, database: Database
) -> None:
    log = uuid_raft.partitioning.latest
    assert checks(database, log.table_name) == checks(database, "fleet_raft") != []
    uuid_raft.partitioning.detach_partition(log)
    database.execute(f"ALTER TABLE {log.table_name} DROP CONSTRAINT fleet_raft_id_time")
    uuid_raft.partitioning.attach_partition(log)
    assert checks(database, log.table_name) == checks(database, "fleet_raft")


def checks(database: Database, table: str) -> list[str]:
    return database.query(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = %s::regclass AND contype = 'c' AND conname LIKE '%%_time'",
        table,
    )


def test_an_id_is_found_updated_and_upserted_as_in_a_plain_table(uuid_raft: Any) -> None:
    row = uuid_raft.objects.create(code="new")
    assert uuid_raft.objects.get_or_create(pk=row.pk, defaults={"code": "x"}) == (row, False)
    again = [uuid_raft(pk=row.pk, code="old"), uuid_raft(code="more")]
    uuid_raft.objects.bulk_create(
        again, update_conflicts=True, unique_fields=["id"], update_fields=["code"]
    )
    assert list(uuid_raft.objects.order_by("pk").values_list("code", flat=True)) == ["old", "more"]
    assert uuid_raft.objects.bulk_create([uuid_raft(pk=row.pk)], ignore_conflicts=True)
    assert uuid_raft.objects.count() == 2
    assert uuid_raft.objects.update_or_create(pk=row.pk, defaults={"code": "z"})[1] is False
    assert_prunes(uuid_raft.objects.filter(pk=row.pk))
    assert_prunes(uuid_raft.objects.filter(pk__in=[row.pk]))


def test_what_is_asked_of_a_time_goes_on_as_any_queryset(
    uuid_raft: Any, database: Database
) -> None:
    now = datetime.now(UTC)
    day = timedelta(days=1)
    rows = [uuid_raft.objects.create(code=code) for code in "abc"]
    today = uuid_raft.partitioning.during(now - day, now + day)
    assert list(today.order_by("pk")) == rows
    assert today.annotate(asked=Now()).filter(code="b").get().asked is not None
    assert (uuid_raft.objects.exclude(code="a") & today).count() == 2
    assert today.using("default").db == "default"
    assert uuid_raft.partitioning.db_manager("other").during(now, None).db == "other"

    async def codes() -> set[str]:
        return {each.code async for each in today}

    assert async_to_sync(codes)() == {"a", "b", "c"}
    proxy: Any = type(
        "Proxy",
        (uuid_raft,),
        {
            "__module__": __name__,
            "Meta": type(
                "Meta", (), {"app_label": "fleet", "apps": uuid_raft._meta.apps, "proxy": True}
            ),
        },
    )
    assert {type(each) for each in proxy.partitioning.during(now - day, None)} == {proxy}
    assert proxy.partitioning.key_at(now) == uuid_raft.partitioning.key_at(now)
    assert today.delete()[0] == 3


def test_related_rows_of_a_time(database: Database) -> None:
    database.cover(Cargo, "2024-03-01", "2024-04-01")
    ports: list[Any] = [Port.objects.create(name=each) for each in ("Kiel", "Split")]
    for each in ports:
        Cargo.objects.create(port=each, loaded_at=at("2024-03-05"), code=each.name)
    span = (at("2024-03-05"), at("2024-03-06"))
    port = ports[0]
    assert port.cargo_set(manager="partitioning").during(*span).get().port == port
    assert (port.cargo_set.all() & Cargo.partitioning.during(*span)).get().port == port


@pytest.mark.parametrize(
    ("span", "words"),
    [
        ((datetime(2024, 1, 1), None), "has no time zone"),  # noqa: DTZ001
        ((None, datetime(2024, 1, 1)), "has no time zone"),  # noqa: DTZ001
        ((date(2024, 1, 1), None), "start must be an aware datetime, not datetime.date"),
        ((None, "2024-01-01"), "end must be an aware datetime, not '2024-01-01'"),
        ((at("2024-01-02"), at("2024-01-01")), "A range ends at 2024-01-01 .* before it starts"),
        ((at("1969-12-31"), None), "uuid7 cannot express 1969-12-31 .* counts from 1970-01-01"),
    ],
)
def test_what_is_no_time_is_refused(span: Any, words: str, uuid_raft: Any) -> None:
    with pytest.raises(InvalidPolicy, match=words):
        uuid_raft.partitioning.during(*span)


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (datetime(2024, 1, 1), "has no time zone"),  # noqa: DTZ001
        (date(2024, 1, 1), "moment must be an aware datetime"),
        (None, "moment must be an aware datetime, not None"),
        (at("1969-12-31"), "cannot express"),
    ],
)
def test_no_key_is_at_what_is_no_moment(moment: Any, words: str, uuid_raft: Any) -> None:
    with pytest.raises(InvalidPolicy, match=words):
        uuid_raft.partitioning.key_at(moment)
