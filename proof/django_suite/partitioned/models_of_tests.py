"""Which models of Django's tests are partitioned, and by which of their own fields."""

from __future__ import annotations

import os
from typing import Any

from django.apps import apps
from django.db import models

LABELS = os.environ.get("DJANGO_SUITE_PARTITIONED", "").split()
"""The apps whose models are partitioned."""

KEYS: dict[str, Any] = {}
"""The key of each partitioned model, by its table."""

KINDS: tuple[type[Any], ...] = (
    models.DateField,
    models.IntegerField,
    models.CharField,
    models.TextField,
    models.ForeignKey,
)
"""What a key may be, the best first: no field is added, for tests compare whole rows."""


def partition(sender: Any, **_: Any) -> None:
    """Partition the model by a field of its own, if it has one that can be a key.

    PostgreSQL has no foreign key to an id that is not unique by itself: no model keeps any.
    """
    options = sender._meta
    if options.app_label not in LABELS or options.apps is not apps:
        return
    links: list[Any] = [
        each for each in options.local_fields if isinstance(each, models.ForeignKey)
    ]
    for each in links:
        each.db_constraint = False
    key = None if _stays_plain(sender) else _key(options)
    if key is not None:
        _declare(sender, key)
        KEYS[options.db_table] = key


def _stays_plain(model: Any) -> bool:
    """Whether it has no table of its own, is a table of two ids, or has its key in a parent's."""
    options = model._meta
    has_none = options.proxy or options.swapped or not options.managed or options.auto_created
    return bool(has_none or options.parents)


def _key(options: Any) -> Any:
    fields = [each for each in options.local_concrete_fields if _can_be_key(each)]
    for kind in KINDS:
        for field in fields:
            if isinstance(field, kind):
                return field
    return None


def _can_be_key(field: Any) -> bool:
    is_plain = not (field.primary_key or field.null or field.generated)
    return is_plain and not isinstance(field, models.AutoField)


def _declare(model: Any, key: Any) -> None:
    """Decorate it, and take it from the registry: its key is no time, and it has no config."""
    from pg_timepart import TimeRangePartitioningSupport
    from pg_timepart.schema import registry

    TimeRangePartitioningSupport(key.name)(model)
    del registry._registry[model._meta.label_lower]
