"""The base that makes instances prune: which models have it, and what it leaves as it is."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import models
from django.db.migrations.state import ModelState, StateApps
from django.test.utils import isolate_apps

from pg_timepart import TimeRangePartitioningSupport
from pg_timepart.instances import PrunedInstance
from pg_timepart.schema.registry import registry
from tests.apps.fleet.models import Port, Ship
from tests.apps.shop.models import Event, Invoice
from tests.support.database import at


@pytest.mark.parametrize("model", [Ship, Event])
def test_a_decorated_model_prunes(model: Any) -> None:
    assert issubclass(model, PrunedInstance)


def test_models_whose_primary_key_holds_the_key_stay_as_they_are() -> None:
    assert Invoice in registry()
    assert Invoice.__bases__ == Port.__bases__ == (models.Model,)


def test_migrations_do_not_see_it() -> None:
    assert ModelState.from_model(Ship).bases == (models.Model,)
    past = ModelState.from_model(Ship).render(StateApps([], {}))
    assert past._meta.label == "fleet.Ship"
    assert not issubclass(past, PrunedInstance)


@isolate_apps("tests.apps.fleet")
def test_own_methods_and_those_of_bases_come_first() -> None:
    class Deletion:
        def delete(self) -> str:
            return "not at all"

    class Base(models.Model):
        at = models.DateTimeField()

        class Meta:
            abstract = True
            app_label = "fleet"

        def save(self, *args: Any, **options: Any) -> None:
            raise AssertionError

    @TimeRangePartitioningSupport("at")
    class Raft(Deletion, Base):  # type: ignore[misc]
        class Meta:
            app_label = "fleet"

    assert [each.__name__ for each in Raft.__mro__[1:5]] == [
        "Deletion",
        "Base",
        "PrunedInstance",
        "Model",
    ]
    assert ModelState.from_model(Raft).bases == (Deletion, models.Model)


@isolate_apps("tests.apps.fleet")
def test_an_abstract_model_hands_it_down() -> None:
    @TimeRangePartitioningSupport("at")
    class Base(models.Model):
        at = models.DateTimeField()

        class Meta:
            abstract = True
            app_label = "fleet"

    class Raft(Base):
        class Meta:
            app_label = "fleet"

    class Moment(Base):
        at = models.DateTimeField(primary_key=True)

        class Meta:
            app_label = "fleet"

    assert issubclass(Raft, PrunedInstance)
    moment: Any = Moment(at=at("2020-01-15"))
    moment._state.adding = False
    assert moment._timepart_row_key("default") is None
    raft: Any = Raft(at=at("2020-01-15"))
    assert raft._timepart_row_key("default") is None
    raft._state.adding = False
    assert raft._timepart_row_key("default") == at("2020-01-15")


def test_methods_that_change_data_are_not_called_by_templates() -> None:
    assert all(getattr(Ship, name).alters_data for name in ("save", "delete", "adelete"))
