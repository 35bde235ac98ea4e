"""E007: the decorator's ``default_*`` options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.exceptions import ValidationError
from django.db import connections, models, router

from pg_timepart.errors import InvalidPolicy, InvalidSetting
from pg_timepart.models import PartitionConfig
from pg_timepart.partitions.key_formats.base import KeyFormat
from pg_timepart.schema.registry import seeded_fields


def check_defaults(
    model: type[models.Model],
    defaults: Mapping[str, Any],
    key: models.Field[Any, Any],
    formats: Sequence[KeyFormat],
) -> Iterator[CheckMessage]:
    """Yield an error for each ``default_*`` option that a config with this key cannot have."""
    for problem in _problems(model, defaults, _format(model, key, formats)):
        yield Error(
            f"{model._meta.label}: {problem}",
            hint="Correct it in the decorator.",
            obj=model,
            id="pg_timepart.E007",
        )


def _problems(
    model: type[models.Model], defaults: Mapping[str, Any], key_format: KeyFormat | None
) -> list[str]:
    seeded = seeded_fields(defaults)
    try:
        config = PartitionConfig(model_label=model._meta.label_lower, **seeded)
        # The policy first: full_clean() converts some types and fails on others.
        return _policy_problems(config, key_format) or _field_problems(config, defaults)
    except InvalidSetting:
        # E008 reports it.
        return []


def _field_problems(config: PartitionConfig, defaults: Mapping[str, Any]) -> list[str]:
    try:
        config.clean_fields()
    except ValidationError as error:
        return [
            f"default_{name}={defaults.get('default_' + name)!r}: {' '.join(messages)}"
            for name, messages in error.message_dict.items()
        ]
    return []


def _policy_problems(config: PartitionConfig, key_format: KeyFormat | None) -> list[str]:
    try:
        period = config.policy().period
        if key_format is not None:
            key_format.check_period(period)
    except InvalidPolicy as error:
        return [str(error)]
    return []


def _format(
    model: type[models.Model], key: models.Field[Any, Any], formats: Sequence[KeyFormat]
) -> KeyFormat | None:
    """Return the key format, or None where the type or the database of the key is not supported."""
    db_type = key.db_type(connections[router.db_for_write(model)]) or ""
    return next((each for each in formats if each.is_declared_by(db_type)), None)
