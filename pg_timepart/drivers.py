"""The driver's own connection, where another tool has put something around it.

Tools that watch an application's queries hand Django a proxy in its place. Most of what a driver
offers goes through such a proxy, but its functions in C ask for the very type.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.ddl import Statement


def driver_connection(connection: BaseDatabaseWrapper) -> Any:
    """Return the connection that psycopg or psycopg2 made, or None where it is not open."""
    outer: Any = connection.connection
    while outer is not None and (inner := _behind(outer)) is not outer:
        outer = inner
    return outer


def as_text(statement: Statement, connection: BaseDatabaseWrapper) -> str:
    """Return the statement as the driver quotes it for this connection, which must be open."""
    return statement.as_string(driver_connection(connection))


def _behind(outer: Any) -> Any:
    """Return what a proxy stands for, and anything else as it is.

    The proxies of wrapt say what they wrap. Others hand on a method that they do not change, which
    is bound to the driver's connection.
    """
    wrapped = getattr(outer, "__wrapped__", None)
    return wrapped if wrapped is not None else getattr(outer.cancel, "__self__", outer)
