"""Escape text of any origin for terminals, logs and columns of PostgreSQL. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any


def printable(text: str) -> str:
    """Return ``text`` on one line, with control characters as escapes."""
    if text.isprintable():
        return text
    return "".join(each if _is_harmless(each) else _escaped(each) for each in text)


def storable(text: str) -> str:
    """Return ``text`` as PostgreSQL can store it: NUL and lone surrogates as escapes."""
    if _is_storable(text):
        return text
    return "".join(each if _is_storable(each) else _escaped(each) for each in text)


def in_ascii(text: str) -> str:
    """Return ``text`` in ASCII: other characters, and NUL, as escapes."""
    return storable(text).encode("ascii", "backslashreplace").decode("ascii")


def each_text(value: Any, change: Any) -> Any:
    """Return a JSON value with ``change`` done to each text in it."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(name): each_text(inner, change) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [each_text(inner, change) for inner in value]
    return value


def _is_harmless(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _is_storable(text: str) -> bool:
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _escaped(character: str) -> str:
    return ascii(character)[1:-1]
