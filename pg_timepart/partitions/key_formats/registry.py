"""The registered key formats, by name, and which of them a column can have. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from pg_timepart.errors import InvalidPolicy, UnknownName
from pg_timepart.partitions.key_formats.base import KeyFormat

_registered: dict[str, KeyFormat] = {}


def register(key_format: KeyFormat) -> None:
    """Register a format for the decorator's ``key_format``, instead of one of its name."""
    _registered[key_format.name] = key_format


def unregister(name: str) -> None:
    """Remove a format, so that the decorator's ``key_format`` cannot name it."""
    del _registered[name]


def key_format_named(name: str) -> KeyFormat:
    """Return the format of this name; raises UnknownName."""
    try:
        return _registered[name]
    except KeyError as error:
        raise UnknownName("key format", name, list(_registered)) from error


def format_given(given: object) -> KeyFormat:
    """Return the format that the decorator's ``key_format`` gives, by name or as an instance.

    Raises UnknownName for a name that is not registered, InvalidPolicy for anything else.
    """
    if isinstance(given, KeyFormat):
        return given
    if isinstance(given, str):
        return key_format_named(given)
    if isinstance(given, type) and issubclass(given, KeyFormat):
        raise InvalidPolicy(
            f"key_format must be an instance of {given.__name__} with its arguments, not the class."
        )
    raise InvalidPolicy(
        f"key_format must be the name of a key format, or an instance of one, not {given!r}."
        f" Names: {', '.join(sorted(_registered))}."
    )


def recorded(key_format: KeyFormat) -> KeyFormat | str:
    """Return what migrations record: the name where it means this format, or else the format."""
    return key_format.name if _registered.get(key_format.name) == key_format else key_format


def formats_of(declared: KeyFormat | None) -> tuple[KeyFormat, ...]:
    """Return the formats a key can have: the declared one, or those its column's type implies."""
    if declared is not None:
        return (declared,)
    return tuple(each for each in _registered.values() if each.is_implied)


def formats_of_type(column_type: str) -> tuple[KeyFormat, ...]:
    """Return all registered formats that a column of this type can have, declared or not."""
    return tuple(each for each in _registered.values() if column_type in each.column_types)


def format_of_column(column_type: str, declared: KeyFormat | None = None) -> KeyFormat | None:
    """Return the format of a key of this type, as ``format_type`` prints it, or None."""
    fitting = (each for each in formats_of(declared) if column_type in each.column_types)
    found = next(fitting, None)
    return found and found.for_column(column_type)


def format_declared(db_type: str, declared: KeyFormat | None = None) -> KeyFormat | None:
    """Return the format of a key whose field has this ``db_type``, or None where there is none."""
    fitting = (each for each in formats_of(declared) if each.is_declared_by(db_type))
    found = next(fitting, None)
    return found and found.for_column(db_type.strip().lower())


def no_column_type_of(formats: Iterable[KeyFormat]) -> str:
    """Return in words that a column has none of the formats' types: ``neither date nor bigint``."""
    types = [each for key_format in formats for each in key_format.column_types]
    return f"neither {' nor '.join(types)}" if len(types) > 1 else f"not {types[0]}"
