"""Checks of models whose key is an id that holds its time."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.postgres.functions import RandomUUID
from django.core.checks import CheckMessage
from django.db import models
from django.db.models.expressions import Func, Value
from django.test.utils import isolate_apps

import pg_timepart
from pg_timepart import Snowflake, TimeRangePartitioningSupport, Uuid7
from pg_timepart.checks.models import check_model

CHAT = Snowflake(epoch=datetime(2015, 1, 1, tzinfo=UTC), shift=22)


@pytest.fixture(autouse=True)
def isolated() -> Iterator[None]:
    """Keep the models of these tests out of everybody else's."""
    with isolate_apps("tests.apps.shop"):
        yield


def found(
    key_format: Any, field: models.Field[Any, Any], key: str = "id", **more: Any
) -> list[CheckMessage]:
    """Return what is said about a model with this key."""
    options = {name: more.pop(name) for name in ("default_period",) if name in more}
    meta = type("Meta", (), {"app_label": "shop"})
    body = {"__module__": __name__, "Meta": meta, key: field, **more}
    model = type("Reading", (models.Model,), body)
    return [
        *check_model(TimeRangePartitioningSupport(key, key_format=key_format, **options)(model))
    ]


def ids(messages: list[CheckMessage]) -> list[str]:
    assert all(each.hint for each in messages)
    return [str(each.id).removeprefix("pg_timepart.") for each in messages]


class ChatIdField(models.BigIntegerField):  # type: ignore[type-arg]  # of any values
    """As a library for ids has it."""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        raise NotImplementedError


def uuid6() -> uuid.UUID:
    """As Python has it from 3.14 on."""
    raise NotImplementedError


def milliseconds() -> int:
    return time.time_ns() // 1_000_000


@pytest.mark.parametrize(
    ("key_format", "field"),
    [
        ("uuid7", models.UUIDField(primary_key=True, default=pg_timepart.uuid7)),
        ("uuid7", models.UUIDField(primary_key=True, db_default=Func(function="uuidv7"))),
        ("uuid7", models.UUIDField()),
        (Uuid7(check_version=False), models.UUIDField(unique=True, default=pg_timepart.uuid7)),
        ("epoch_ms", models.BigIntegerField(primary_key=True, default=milliseconds)),
        ("epoch_s", models.PositiveIntegerField(primary_key=True, default=milliseconds)),
        ("epoch_us", models.PositiveBigIntegerField(primary_key=True, default=milliseconds)),
        (CHAT, models.BigIntegerField(primary_key=True, db_default=Func(function="chat.next_id"))),
        (CHAT, ChatIdField(primary_key=True)),
        ("timestamp", models.DateTimeField()),
        ("date", models.DateField()),
    ],
)
def test_a_default_that_holds_the_time_is_well(key_format: Any, field: Any) -> None:
    assert ids(found(key_format, field.clone(), "id" if field.primary_key else "at")) == []


@pytest.mark.parametrize("minutes", ["Minute", "Hour", "Year"])
def test_an_id_is_cut_by_every_period(minutes: str) -> None:
    field = models.UUIDField(primary_key=True, default=pg_timepart.uuid7)
    assert ids(found("uuid7", field, default_period=minutes)) == []


@pytest.mark.parametrize(
    ("key_format", "field", "words"),
    [
        ("uuid7", models.CharField(primary_key=True), "class UUIDField"),
        ("uuid7", models.BigIntegerField(primary_key=True), "class UUIDField"),
        ("uuid7", models.DateTimeField(), "class UUIDField"),
        ("date", models.DateTimeField(), "DateField whose column (db_type) is of the type date."),
        ("timestamp", models.DateField(), "class DateTimeField"),
        ("epoch_ms", models.UUIDField(primary_key=True), "class IntegerField"),
        ("epoch_ms", models.FloatField(), "class IntegerField"),
        ("epoch_ms", models.IntegerField(), "whose column (db_type) is of the type bigint."),
        ("epoch_s", models.SmallIntegerField(), "of the type bigint or integer."),
        (CHAT, models.IntegerField(), "of the type bigint."),
        (CHAT, models.DecimalField(max_digits=20, decimal_places=0), "class IntegerField"),
    ],
)
def test_e002_the_format_does_not_fit_the_field(key_format: Any, field: Any, words: str) -> None:
    key = "id" if field.primary_key else "at"
    said = [each for each in found(key_format, field.clone(), key) if str(each.id).endswith("E002")]
    assert words in str(said[0].hint)


@pytest.mark.parametrize("key_format", ["epoch_s", "epoch_ms", CHAT])
@pytest.mark.parametrize(
    "field",
    [
        models.BigAutoField(primary_key=True),
        models.BigAutoField(primary_key=True, default=milliseconds),
    ],
)
def test_e022_an_identity_holds_no_time(key_format: Any, field: Any) -> None:
    (message,) = found(key_format, field.clone())
    assert ids([message]) == ["E022"]
    assert "shop.Reading.id is a BigAutoField: the database counts its values" in message.msg
    assert str(message.hint).startswith("Declare BigIntegerField(primary_key=True, default=...)")


def test_e022_also_where_the_id_is_not_declared() -> None:
    meta = type("Meta", (), {"app_label": "shop"})
    model = type("Reading", (models.Model,), {"__module__": __name__, "Meta": meta})
    (message,) = check_model(TimeRangePartitioningSupport("id", key_format="epoch_ms")(model))
    assert ids([message]) == ["E022"]


@pytest.mark.parametrize(
    ("key_format", "field", "usual"),
    [
        ("uuid7", models.UUIDField(primary_key=True), "default=pg_timepart.uuid7"),
        ("epoch_us", models.BigIntegerField(primary_key=True), "Declare BigIntegerField("),
        (CHAT, models.PositiveBigIntegerField(primary_key=True), "Declare BigIntegerField("),
    ],
)
def test_w023_a_primary_key_without_a_default(key_format: Any, field: Any, usual: str) -> None:
    (message,) = found(key_format, field.clone())
    assert ids([message]) == ["W023"]
    assert usual in str(message.hint)


@pytest.mark.parametrize(
    ("key_format", "field", "source"),
    [
        ("uuid7", models.UUIDField(default=uuid.uuid4), "default is uuid4."),
        ("uuid7", models.UUIDField(default=uuid.uuid1), "default is uuid1."),
        ("uuid7", models.UUIDField(default=uuid6), "default is uuid6."),
        (Uuid7(check_version=False), models.UUIDField(default=uuid.uuid4), "default is uuid4."),
        ("uuid7", models.UUIDField(db_default=RandomUUID()), "db_default is GEN_RANDOM_UUID."),
        (
            "uuid7",
            models.UUIDField(db_default=Func(function="public.uuid_generate_v4")),
            "db_default is uuid_generate_v4.",
        ),
        ("uuid7", models.UUIDField(default="0190163d"), "default is the constant '0190163d'."),
        ("epoch_s", models.IntegerField(default=0), "default is the constant 0."),
        ("epoch_ms", models.BigIntegerField(db_default=Value(7)), "db_default is the constant 7."),
        ("epoch_ms", models.BigIntegerField(db_default=7), "db_default is the constant 7."),
        (
            CHAT,
            models.BigIntegerField(db_default=Func(Value("s"), function="nextval")),
            "db_default is nextval.",
        ),
    ],
)
def test_w024_a_default_that_holds_no_time(key_format: Any, field: Any, source: str) -> None:
    (message,) = found(key_format, field.clone(), "at")
    assert ids([message]) == ["W024"]
    assert source in message.msg


def test_w001_what_is_widened_by_a_unique_key_is_not_enforced() -> None:
    field = models.UUIDField(primary_key=True, default=pg_timepart.uuid7)
    (message,) = found("uuid7", field, code=models.CharField(max_length=9, unique=True))
    assert ids([message]) == ["W001"]
    assert "not at all: 'id', which it adds, is unique by itself" in message.msg
