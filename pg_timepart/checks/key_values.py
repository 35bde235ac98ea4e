"""E022, W023, W024: where the values of an id that is a partition key get their time from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Notice
from django.db import models
from django.db.models.expressions import Func, Value

from pg_timepart.partitions.key_formats.base import KeyFormat
from pg_timepart.schema.declaration import Field

IDENTITIES = (models.AutoField, models.BigAutoField, models.SmallAutoField)


def check_key_values(key: Field, key_format: KeyFormat | None) -> Iterator[CheckMessage]:
    """Yield what is wrong with the default of a key whose declared format has its time inside."""
    if key_format is None or not key_format.usual_default:
        return
    if isinstance(key, IDENTITIES):
        yield _identity(key, key_format)
    elif key.has_default() or key.has_db_default():
        source = _source_without_time(key, key_format)
        if source is not None:
            yield _without_time(key, source, key_format)
    elif key.primary_key and not _makes_values(key):
        yield _no_default(key, key_format)


def _makes_values(key: Field) -> bool:
    """Whether the field's class makes values by itself, such as a field of a library for ids."""
    hooks = ("get_default", "pre_save")
    return any(getattr(type(key), each) is not getattr(models.Field, each) for each in hooks)


def _source_without_time(key: Field, key_format: KeyFormat) -> str | None:
    """Return in words a default that gives no time: a constant, or a function known for it."""
    name, given = ("default", key.default) if key.has_default() else ("db_default", key.db_default)
    if _is_constant(given):
        return f"{name} is the constant {_constant(given)!r}"
    function = _function_name(given)
    return f"{name} is {function}" if function.lower() in key_format.timeless_defaults else None


def _is_constant(given: Any) -> bool:
    return isinstance(given, Value) or not (callable(given) or hasattr(given, "resolve_expression"))


def _constant(given: Any) -> Any:
    return given.value if isinstance(given, Value) else given


def _function_name(given: Any) -> str:
    """Return the name of a function of Python or SQL, or nothing where it has none."""
    if isinstance(given, Func):
        template = str(given.extra.get("template", given.template))
        function = given.extra.get("function", given.function) or template.partition("(")[0]
        return str(function).rpartition(".")[2]
    return str(getattr(given, "__name__", ""))


def _identity(key: Field, key_format: KeyFormat) -> CheckMessage:
    return Error(
        f"The partition key {key} is a {type(key).__name__}: the database counts its values, which"
        " hold no time.",
        hint=f"Declare {key_format.usual_default}.",
        obj=key,
        id="pg_timepart.E022",
    )


def _no_default(key: Field, key_format: KeyFormat) -> CheckMessage:
    return Notice(
        f"The partition key {key} is the primary key and has no default, so that whoever makes a"
        " row must give it an id that holds the time.",
        hint=f"Declare {key_format.usual_default}. Or silence this check.",
        obj=key,
        id="pg_timepart.W023",
    )


def _without_time(key: Field, source: str, key_format: KeyFormat) -> CheckMessage:
    return Notice(
        f"The partition key {key} gets values that hold no time of the format {key_format.name}:"
        f" its {source}.",
        hint=f"Declare {key_format.usual_default}.",
        obj=key,
        id="pg_timepart.W024",
    )
