"""The psycopg connection behind Django's, also where another tool has wrapped it.

Tools that trace queries give Django a proxy of the driver's connection. Most methods work through a
proxy, but functions in C accept only their own type.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from django.db.backends.base.base import BaseDatabaseWrapper


class Composed(Protocol):
    """A statement, or a part of one, that psycopg 2 or 3 can compose."""

    def as_string(self, context: Any) -> str:
        """Return the text, quoted for the driver's connection ``context``."""


def driver_connection(connection: BaseDatabaseWrapper) -> Any:
    """Return the connection that psycopg or psycopg2 made, or None where it is not open."""
    outer: Any = connection.connection
    while outer is not None and (inner := _behind(outer)) is not outer:
        outer = inner
    return outer


def as_text(statement: Composed, connection: BaseDatabaseWrapper) -> str:
    """Return the statement as the driver quotes it for this connection, which must be open."""
    return statement.as_string(driver_connection(connection))


@contextmanager
def nothing_prepared(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Keep psycopg 3 from preparing statements on a connection, which must be open.

    With ``prepare_threshold`` and ``server_side_binding`` in OPTIONS it prepares what comes again,
    and the server prepares no string of several statements.
    """
    driver = driver_connection(connection)
    threshold = getattr(driver, "prepare_threshold", None)
    if threshold is None:
        yield
        return
    driver.prepare_threshold = None
    try:
        yield
    finally:
        driver.prepare_threshold = threshold


def _behind(outer: Any) -> Any:
    """Return the object behind a proxy, and anything else as it is.

    Proxies of wrapt have ``__wrapped__``. Others return a method unchanged, which is bound to the
    driver's connection.
    """
    wrapped = getattr(outer, "__wrapped__", None)
    return wrapped if wrapped is not None else getattr(outer.cancel, "__self__", outer)
