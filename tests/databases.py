"""Another database in the place of the default one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dj_database_url
from django.db import connections

_CONNECTING = ("NAME", "USER", "PASSWORD", "HOST", "PORT")


@contextmanager
def default_database(url: str) -> Iterator[None]:
    """Make it the default database of this process for a while."""
    connection = connections["default"]
    connection.close()
    before = {name: connection.settings_dict[name] for name in _CONNECTING}
    theirs: dict[str, Any] = {**dj_database_url.parse(url)}
    connection.settings_dict.update({name: theirs[name] for name in _CONNECTING})
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)
