"""Aggregates over rows of partitioned models, whose ids are not unique to the server."""

from __future__ import annotations

import threading
from typing import Any
from unittest import mock

import pytest
from django.db import connections
from django.db.models import Count, Max
from django.test.utils import CaptureQueriesContext

from pg_timepart.schema import group_by
from tests.apps.shop.models import Customer, Event, Invoice, Order, Tag


@pytest.fixture(autouse=True)
def rows(committing: None) -> None:
    customer = Customer.objects.create(name="Ada")
    for count in range(3):
        event = Event.objects.create(customer=customer, kind=f"with {count}")
        event.tags.set(Tag.objects.create(name=f"{event.kind}, {each}") for each in range(count))


def test_related_rows_are_counted() -> None:
    counted = Event.objects.annotate(tagged=Count("tags")).order_by("tagged")
    assert [(each.kind, each.tagged) for each in counted] == [
        ("with 0", 0),
        ("with 1", 1),
        ("with 2", 2),
    ]
    assert counted.filter(tagged__gt=1).get().kind == "with 2"
    related = Event.objects.select_related("customer").annotate(tagged=Count("tags"))
    assert {each.customer.name for each in related if each.customer} == {"Ada"}


def test_other_models_are_grouped_by_their_primary_key_as_ever() -> None:
    with CaptureQueriesContext(connections["default"]) as captured:
        assert Customer.objects.annotate(latest=Max("event__timestamp")).get().latest
        list(Invoice.objects.annotate(most=Max("total")))
    statement = captured.captured_queries[0]["sql"]
    assert statement.endswith('GROUP BY "shop_customer"."id" LIMIT 21')


def test_a_model_of_migrations_is_grouped_alike() -> None:
    from django.db.migrations.state import ModelState, ProjectState

    state = ProjectState()
    for model in (Customer, Tag, Event):
        state.add_model(ModelState.from_model(model))
    past: Any = state.apps.get_model("shop", "Event")
    assert [each.tagged for each in past.objects.annotate(tagged=Count("tags"))]


def test_every_connection_knows_once_however_often_it_is_installed() -> None:
    group_by.install()
    group_by.install()
    known: list[Any] = []

    def look() -> None:
        known.append(connections["default"].features)
        connections["default"].close()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    for features in (connections["default"].features, *known):
        kind = type(features)
        names = [each.__name__ for each in kind.__mro__]
        with mock.patch(f"{kind.__module__}.{kind.__name__}.uses_savepoints", "patched"):
            assert features.uses_savepoints == "patched"
        assert names.count("GroupByFeatures") == 1
        assert not features.allows_group_by_selected_pks_on_model(Order)
        assert features.allows_group_by_selected_pks_on_model(Invoice)
