"""The check of what refers to partitioned models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import models
from django.test.utils import isolate_apps

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
