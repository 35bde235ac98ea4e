"""Registry of the decorated models, and the manager that makes a model partitioned."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from typing import Any

from django.apps import apps
from django.db import models

from pg_timepart.partitions.key_formats.base import KeyFormat
from pg_timepart.partitions.key_formats.registry import format_given, recorded
from pg_timepart.schema.declaration import Declaration, declaration_of

MANAGER_NAME = "partitioning"

NO_ARGUMENTS = object()
"""In place of the key of a related manager."""

_registry: dict[str, type[models.Model]] = {}


class PartitioningManagerBase(models.Manager[models.Model]):
    """Manager that migrations record, and that tells the schema editor of the partitioning.

    Migrations record the constructor's arguments, so these are only those that change the table,
    and are always written in the same way.
    """

    use_in_migrations = True

    defaults: Mapping[str, Any]
    """The decorator's ``default_*`` options, by their full names. Not in migrations."""

    declaration: Declaration
    """The arguments; a related manager, which Django makes of this class without any, has none."""

    def __init__(
        self,
        key: Any = NO_ARGUMENTS,
        widen_keys: bool = True,
        key_format: KeyFormat | str | None = None,
    ) -> None:
        super().__init__()
        if key is NO_ARGUMENTS:
            return
        found = None if key_format is None else format_given(key_format)
        self.declaration = Declaration(key=key, widen_keys=widen_keys, key_format=found)
        self.defaults = {}
        options: dict[str, Any] = {} if widen_keys else {"widen_keys": False}
        if found is not None:
            options["key_format"] = recorded(found)
        # deconstruct() returns them, and managers are compared by them.
        self._constructor_args = ((key,), options)


def decorated_classes() -> tuple[type[models.Model], ...]:
    """Return all decorated classes, also invalid ones, in the order of definition: for checks."""
    return tuple(_registry.values())


def registry() -> tuple[type[models.Model], ...]:
    """Return the decorated models that can have a table of their own, in that order."""
    return tuple(each for each in _registry.values() if _can_have_table(each._meta))


@contextmanager
def only_decorated(*classes: type[models.Model]) -> Iterator[None]:
    """Make these the only decorated models until the block ends: for tests of such code."""
    before = dict(_registry)
    _registry.clear()
    _registry.update({each._meta.label_lower: each for each in classes})
    try:
        yield
    finally:
        _registry.clear()
        _registry.update(before)


def manager_of(model: type[models.Model]) -> PartitioningManagerBase:
    """Return ``model.partitioning`` of a decorated model, which may be abstract or swapped."""
    manager = model._meta.managers_map[MANAGER_NAME]
    assert isinstance(manager, PartitioningManagerBase)  # noqa: S101  # declare() adds no other
    return manager


def seeded_fields(defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a new config that these ``default_*`` options give a value."""
    given = {name.removeprefix("default_"): value for name, value in defaults.items()}
    return {name: value for name, value in given.items() if value is not None}


def declared_formats(tables: Mapping[str, type[models.Model]]) -> dict[str, KeyFormat]:
    """Return the key formats that the models of these tables declare, by table."""
    declared = {table: declaration_of(model) for table, model in tables.items()}
    return {table: each.key_format for table, each in declared.items() if each and each.key_format}


def _can_have_table(meta: Any) -> bool:
    return not (meta.abstract or meta.proxy or meta.swapped)


def declare(model: type[models.Model], manager: PartitioningManagerBase) -> None:
    """Make ``manager`` the model's ``partitioning``, and keep its other managers.

    Raises TypeError where the model has an attribute of that name already.
    """
    if inspect.getattr_static(model, MANAGER_NAME, None) is not None:
        raise TypeError(
            f"{model._meta.label} cannot be partitioned: it already has an attribute "
            f"{MANAGER_NAME!r}, of its own or from a base class. Rename that one, or decorate "
            "only one of the two classes."
        )
    _keep_default_manager(model)
    manager._set_creation_counter()  # type: ignore[attr-defined]
    manager.contribute_to_class(model, MANAGER_NAME)
    if model._meta.apps is apps:
        # A module that is executed again defines the class again; the newest one counts.
        _registry[model._meta.label_lower] = model


def _keep_default_manager(model: type[models.Model]) -> None:
    """Make an inherited default manager the model's own.

    Django prefers a model's own managers to inherited ones, so ours would become the default. The
    historical model in migrations has no bases to inherit from and needs the same order.
    """
    inherited = model._meta.default_manager
    if model._meta.local_managers or inherited is None:
        return
    own: Any = copy(inherited)
    own._set_creation_counter()
    own.contribute_to_class(model, inherited.name)
