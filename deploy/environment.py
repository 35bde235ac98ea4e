"""Reading settings from environment variables, with a sentence for each that cannot be used."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

_WORDS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off", ""), False),
}


def text(name: str, default: str = "") -> str:
    """Return the variable, or ``default`` where it is unset or empty."""
    return os.environ.get(name) or default


def required(name: str, hint: str) -> str:
    """Return the variable; raise ImproperlyConfigured with the ``hint`` where there is none."""
    value = os.environ.get(name)
    if not value:
        raise ImproperlyConfigured(f"The environment variable {name} must be set: {hint}")
    return value


def flag(name: str, *, default: bool = False) -> bool:
    """Return a variable such as ``true`` or ``0``; raise ImproperlyConfigured for other words."""
    if name not in os.environ:
        return default
    word = os.environ[name].strip().lower()
    if word not in _WORDS:
        known = ", ".join(each for each in _WORDS if each)
        raise ImproperlyConfigured(f"{name} is {os.environ[name]!r}. Known: {known}.")
    return _WORDS[word]


def one_of(name: str, default: str, known: Collection[str]) -> str:
    """Return the variable in capitals; raise ImproperlyConfigured where it is none of ``known``."""
    value = text(name, default)
    if value.upper() not in known:
        raise ImproperlyConfigured(f"{name} is {value!r}. Known: {', '.join(known)}.")
    return value.upper()


def whole_number(name: str, default: int, least: int = 0) -> int:
    """Return the variable as a number; raise ImproperlyConfigured below ``least``."""
    value = text(name, str(default))
    if not value.isdecimal() or int(value) < least:
        raise ImproperlyConfigured(
            f"{name} must be a whole number of at least {least}, not {value!r}."
        )
    return int(value)


def words(name: str) -> list[str]:
    """Return a list whose items are separated by commas."""
    return [each.strip() for each in text(name).split(",") if each.strip()]


def database(name: str, **options: Any) -> dict[str, Any]:
    """Return the database of a URL, with ``options`` for its driver where the URL says nothing."""
    url = required(name, "the URL of a database, such as postgresql://user:password@host/name.")
    # The URL holds a password, and so may the parser's message: neither is repeated.
    try:
        parsed: dict[str, Any] = {**dj_database_url.parse(url, conn_max_age=60)}
    except (ValueError, KeyError):
        parsed = {"ENGINE": ""}
    if not parsed["ENGINE"].endswith(("postgresql", "postgis")):
        raise ImproperlyConfigured(
            f"{name} is no URL of a PostgreSQL database, such as"
            " postgresql://user:password@host/name."
        )
    parsed["CONN_HEALTH_CHECKS"] = True
    parsed["OPTIONS"] = options | parsed.get("OPTIONS", {})
    return parsed


def prefixed(prefix: str, kinds: Mapping[str, type]) -> dict[str, Any]:
    """Return a dictionary of options: all in JSON in ``prefix``, or each in ``prefix_NAME``.

    A single variable is read as the type in ``kinds`` and counts more than the JSON. One that is
    in the environment and not in ``kinds`` raises ImproperlyConfigured.
    """
    _refuse_unknown(prefix, kinds)
    options = _json_object(prefix)
    for name, kind in kinds.items():
        variable = f"{prefix}_{name}"
        if os.environ.get(variable):
            options[name] = _converted(variable, kind)
    return options


def _refuse_unknown(prefix: str, kinds: Mapping[str, type]) -> None:
    known = [f"{prefix}_{name}" for name in kinds]
    for name in os.environ:
        if name.startswith(f"{prefix}_") and name not in known:
            raise ImproperlyConfigured(f"{name} is unknown. Known: {', '.join(known)}.")


def _json_object(name: str) -> dict[str, Any]:
    try:
        value = json.loads(text(name, "{}"))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise ImproperlyConfigured(f'{name} must be a JSON object, such as {{"HISTORY_DAYS": 30}}.')
    return value


def _converted(name: str, kind: type) -> Any:
    if kind is bool:
        return flag(name)
    try:
        return kind(text(name))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a number, not {text(name)!r}.") from error
