"""Another database in the place of one that the settings name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dj_database_url
from django.db import connections

_CONNECTING = ("NAME", "USER", "PASSWORD", "HOST", "PORT")


@contextmanager
def aimed_at(url: str, alias: str = "default") -> Iterator[None]:
    """Make it the database of this alias in this process for a while."""
    connection = connections[alias]
    connection.close()
    before = {name: connection.settings_dict[name] for name in _CONNECTING}
    theirs: dict[str, Any] = {**dj_database_url.parse(url)}
    connection.settings_dict.update({name: theirs[name] for name in _CONNECTING})
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)
