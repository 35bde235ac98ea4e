"""Another database in the place of one that the settings name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dj_database_url
from django.contrib.contenttypes.models import ContentType
from django.db import connections

_CONNECTING = ("NAME", "USER", "PASSWORD", "HOST", "PORT")


@contextmanager
def using_database(url: str, alias: str = "default") -> Iterator[None]:
    """Make it the database of this alias, and of its mirrors, in this process for a while.

    Django remembers the numbers of content types by alias, and they differ.
    """
    aliases = [alias, *_mirrors(alias)]
    before = {each: _place(each) for each in aliases}
    _aim({each: _place_of(url) for each in aliases})
    try:
        yield
    finally:
        _aim(before)


def ask(url: str, query: str, *values: str) -> Any:
    """Return the one value that a query gives there, by a connection of its own."""
    other = connections["default"].copy()
    other.settings_dict.update(_place_of(url))
    try:
        with other.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchone()[0]
    finally:
        other.close()


def _place_of(url: str) -> dict[str, Any]:
    place: dict[str, Any] = {**dj_database_url.parse(url)}
    return {name: place[name] for name in _CONNECTING}


def _mirrors(alias: str) -> list[str]:
    """Return the aliases that are, in tests, the same database as this one."""
    return [
        each for each in connections if connections[each].settings_dict["TEST"]["MIRROR"] == alias
    ]


def _place(alias: str) -> dict[str, Any]:
    return {name: connections[alias].settings_dict[name] for name in _CONNECTING}


def _aim(places: dict[str, dict[str, Any]]) -> None:
    for alias, place in places.items():
        connections[alias].close()
        connections[alias].settings_dict.update(place)
    ContentType.objects.clear_cache()
