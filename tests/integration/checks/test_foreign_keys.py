"""The check of what refers to partitioned models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import models
from django.test.utils import isolate_apps

from pg_timepart import TimeRangePartitioningSupport, uuid7
from pg_timepart.checks.foreign_keys import check_references
from tests.apps.shop.models import Event


@pytest.fixture(autouse=True)
def isolated() -> Iterator[None]:
    with isolate_apps("tests.apps.shop"):
        yield


def ids(messages: Any) -> list[str]:
    return [message.id.removeprefix("pg_timepart.") for message in messages]


def test_e006_foreign_keys_to_a_partitioned_model() -> None:
    class Note(models.Model):
        event = models.ForeignKey(Event, models.CASCADE, related_name="+")
        first = models.OneToOneField(Event, models.CASCADE, related_name="+")
        free = models.ForeignKey(Event, models.CASCADE, related_name="+", db_constraint=False)
        events = models.ManyToManyField(Event, related_name="+")
        free_events = models.ManyToManyField(Event, related_name="+", db_constraint=False)
        customer = models.ForeignKey("shop.Customer", models.CASCADE, related_name="+")

        class Meta:
            app_label = "shop"

    class Late(Event):
        class Meta:
            app_label = "shop"

    referring: list[Any] = [
        Note,
        Late,
        *(field.remote_field.through for field in Note._meta.local_many_to_many),
    ]
    messages = [*check_references(referring, {Event})]
    assert ids(messages) == ["E006"] * 4
    assert {message.obj.name for message in messages} == {
        "event",
        "first",
        "event_ptr",
        "events",
    }


def test_e006_foreign_key_to_a_proxy_and_from_what_is_unmanaged() -> None:
    class Shown(Event):
        class Meta:
            app_label = "shop"
            proxy = True

    class Note(models.Model):
        event = models.ForeignKey(Shown, models.CASCADE, related_name="+")

        class Meta:
            app_label = "shop"

    class Foreign(models.Model):
        event = models.ForeignKey(Event, models.CASCADE, related_name="+")

        class Meta:
            app_label = "shop"
            managed = False

    assert ids(check_references([Note, Foreign, Shown], {Event})) == ["E006"]


def test_no_error_where_the_key_is_the_primary_key_by_itself() -> None:
    @TimeRangePartitioningSupport("id", key_format="uuid7")
    class Parcel(models.Model):
        id = models.UUIDField(primary_key=True, default=uuid7)
        code = models.CharField(max_length=20, unique=True)
        parts = models.ManyToManyField("self")
        part_of = models.ForeignKey("self", models.CASCADE, null=True, related_name="+")

        class Meta:
            app_label = "shop"

    class Note(models.Model):
        parcel = models.ForeignKey(Parcel, models.CASCADE, related_name="+")
        first = models.OneToOneField(Parcel, models.CASCADE, related_name="+", to_field="id")
        by_code = models.ForeignKey(Parcel, models.CASCADE, related_name="+", to_field="code")
        parcels = models.ManyToManyField(Parcel, related_name="+")

        class Meta:
            app_label = "shop"

    through: list[Any] = [
        field.remote_field.through
        for model in (Note, Parcel)
        for field in model._meta.local_many_to_many
    ]
    (message,) = check_references([Note, Parcel, *through], {Parcel})
    assert (message.id, message.obj.name) == ("pg_timepart.E006", "by_code")
    assert "code is unique only together with the partition key id" in message.msg


def test_no_error_where_the_key_is_unique_beside_an_id() -> None:
    @TimeRangePartitioningSupport("uid", key_format="uuid7")
    class Parcel(models.Model):
        uid = models.UUIDField(unique=True, default=uuid7)

        class Meta:
            app_label = "shop"

    class Note(models.Model):
        parcel = models.ForeignKey(Parcel, models.CASCADE, related_name="+", to_field="uid")
        by_id = models.ForeignKey(Parcel, models.CASCADE, related_name="+")

        class Meta:
            app_label = "shop"

    (message,) = check_references([Note], {Parcel})
    assert message.obj.name == "by_id"


def test_e006_says_why() -> None:
    class Note(models.Model):
        event = models.ForeignKey(Event, models.CASCADE, related_name="+")

        class Meta:
            app_label = "shop"

    (message,) = check_references([Note], {Event})
    assert "primary key has the partition key timestamp in it, so id alone" in message.msg
