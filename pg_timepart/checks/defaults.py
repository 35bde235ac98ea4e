"""E007: the decorator's ``default_*`` options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.exceptions import ValidationError
from django.db import connections, models, router

from pg_timepart.errors import InvalidPolicy, InvalidSetting
from pg_timepart.models import PartitionConfig
from pg_timepart.partitions.key_formats import KEY_KINDS, KeyKind


def check_defaults(
    model: type[models.Model], defaults: Mapping[str, Any], key: models.Field[Any, Any]
) -> Iterator[CheckMessage]:
    """Yield an error for each option that the config of a model with this key cannot have."""
    for problem in _problems(model, defaults, key):
        yield Error(
            f"{model._meta.label}: {problem}",
            hint="Correct it in the decorator.",
            obj=model,
            id="pg_timepart.E007",
        )


def _problems(
    model: type[models.Model], defaults: Mapping[str, Any], key: models.Field[Any, Any]
) -> list[str]:
    given = {name: value for name, value in defaults.items() if value is not None}
    seeded = {name.removeprefix("default_"): value for name, value in given.items()}
    try:
        config = PartitionConfig(model_label=model._meta.label_lower, **seeded)
        # The policy first: cleaning converts what it can, and takes offence at other types.
        return _policy_problems(config, _kind(model, key)) or _field_problems(config, given)
    except InvalidSetting:
        # Reported as such, by a check of its own.
        return []


def _field_problems(config: PartitionConfig, given: Mapping[str, Any]) -> list[str]:
    try:
        config.clean_fields()
    except ValidationError as error:
        return [
            f"default_{name}={given.get('default_' + name)!r}: {' '.join(messages)}"
            for name, messages in error.message_dict.items()
        ]
    return []


def _policy_problems(config: PartitionConfig, kind: KeyKind | None) -> list[str]:
    try:
        period = config.policy().period
        if kind is not None:
            kind.check_period(period)
    except InvalidPolicy as error:
        return [str(error)]
    return []


def _kind(model: type[models.Model], key: models.Field[Any, Any]) -> KeyKind | None:
    """Return how the key is cut, or None where its type or its database is not ours anyway."""
    sql_type = key.db_type(connections[router.db_for_write(model)])
    return KEY_KINDS.get(sql_type or "")
