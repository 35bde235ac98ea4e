"""The second tablespace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


def elsewhere() -> str:
    """Return the name of the second tablespace; empty before PostgreSQL 15, which has none."""
    has_it = connection.pg_version >= 150000  # type: ignore[attr-defined]
    return f"drift_of_{connection.settings_dict['NAME']}" if has_it else ""


@contextmanager
def second_tablespace() -> Iterator[None]:
    """Make it inside the server's own folder, and drop it at the end, when it must be empty."""
    if not elsewhere():
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SET allow_in_place_tablespaces = on")
        cursor.execute(f"CREATE TABLESPACE {elsewhere()} LOCATION ''")
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLESPACE {elsewhere()}")
