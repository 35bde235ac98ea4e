"""The decorator leaves a model's other managers as they are, live and in history."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.db.migrations.state import ModelState, ProjectState
from django.test.utils import isolate_apps

from pg_timepart import TimeRangePartitioningSupport
from pg_timepart.manager import TimeRangePartitioningManager
from pg_timepart.schema.declaration import declaration_of
from pg_timepart.schema.registry import declare, registry


@pytest.fixture(autouse=True)
def isolated() -> Iterator[None]:
    with isolate_apps("tests.apps.shop"):
        yield


class Recent(models.Manager[Any]):
    pass


class Kept(models.Manager[Any]):
    use_in_migrations = True


def make(*bases: type, meta: dict[str, Any] | None = None, name: str = "Made", **body: Any) -> Any:
    options = type("Meta", (), {"app_label": "shop", **(meta or {})})
    fields = {} if bases else {"at": models.DateTimeField()}
    body = {"__module__": __name__, "Meta": options, **fields, **body}
    return type(name, bases or (models.Model,), body)


def managers_of(model: Any) -> tuple[str, str, list[str]]:
    options = model._meta
    return options.default_manager.name, options.base_manager.name, [*options.managers_map]


def past(model: Any) -> Any:
    """Return the model as migrations see it."""
    state = ProjectState()
    state.add_model(ModelState.from_model(model))
    return state.apps.get_model("shop", model.__name__)


def plain() -> Any:
    return make()


def own_manager() -> Any:
    return make(recent=Recent())


def named_default() -> Any:
    return make(
        recent=Recent(),
        kept=Kept(),
        meta={"default_manager_name": "kept", "base_manager_name": "kept"},
    )


def inherited() -> Any:
    base = make(name="Base", recent=Recent(), kept=Kept(), meta={"abstract": True})
    return make(base)


def inherited_by_name() -> Any:
    base = make(
        name="Base",
        recent=Recent(),
        kept=Kept(),
        meta={"abstract": True, "default_manager_name": "kept", "base_manager_name": "recent"},
    )
    return make(base)


def inherited_twice() -> Any:
    first = make(name="First", recent=Recent(), meta={"abstract": True})
    second = make(name="Second", kept=Kept(), meta={"abstract": True})
    return make(second, first)


@pytest.mark.parametrize(
    "factory", [plain, own_manager, named_default, inherited, inherited_by_name, inherited_twice]
)
def test_default_and_base_managers_stay(factory: Any) -> None:
    model = factory()
    default, base, names = managers_of(model)
    before = type(model._default_manager)
    TimeRangePartitioningSupport("at")(model)
    assert managers_of(model)[:2] == (default, base)
    assert set(managers_of(model)[2]) == {*names, "partitioning"}
    assert type(model._default_manager) is before
    assert model._default_manager.model is model
    assert past(model)._default_manager.name == default
    assert declaration_of(past(model)) == declaration_of(model) is not None


def test_a_field_named_partitioning_is_in_the_way() -> None:
    model = make(partitioning=models.IntegerField())
    with pytest.raises(TypeError, match=r"shop\.Made cannot be partitioned: it already has"):
        TimeRangePartitioningSupport("at")(model)


def test_a_second_decorator_is_refused() -> None:
    model = TimeRangePartitioningSupport("at")(plain())
    with pytest.raises(TypeError, match="already has an attribute 'partitioning'"):
        TimeRangePartitioningSupport("at")(model)


def test_a_child_of_a_decorated_base_is_refused() -> None:
    base = TimeRangePartitioningSupport("at")(make(name="Base", meta={"abstract": True}))
    with pytest.raises(TypeError, match="from a base class"):
        TimeRangePartitioningSupport("at")(make(base))


def test_copies_keep_the_defaults() -> None:
    model = TimeRangePartitioningSupport("at", default_premake=9)(plain())
    manager = model.partitioning
    assert copy.copy(manager).defaults == manager.defaults
    assert manager.defaults["default_premake"] == 9
    assert past(model).partitioning.defaults == {}


def test_models_of_other_registries_are_not_registered() -> None:
    model = TimeRangePartitioningSupport("at")(plain())
    assert model not in registry()


def test_a_module_that_runs_again_replaces_its_model() -> None:
    before = registry()
    first, second = plain(), None
    with pytest.warns(RuntimeWarning, match="already registered"):
        second = plain()
    for model in (first, second):
        # As if both were defined in the application itself.
        model._meta.apps = apps
        declare(model, TimeRangePartitioningManager("at"))
    try:
        assert registry() == (*before, second)
    finally:
        from pg_timepart.schema.registry import _registry

        del _registry["shop.made"]
