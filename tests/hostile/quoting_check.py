"""Quoting check: a name is always quoted where it gets into SQL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from tests.hostile.values import MARK
from tests.support.database import Database

CANARY = "hostile_canary"

_QUOTED = re.compile(
    r"""
      \$(?P<tag>\w*)\$ (?P<body>.*?) \$(?P=tag)\$   # a body, which is SQL of its own
    | [eE]'(?: [^'\\] | \\. | '' )*'
    | '(?: [^'] | '' )*'
    | "(?: [^"] | "" )*"
    """,
    re.DOTALL | re.VERBOSE,
)


def identifier(name: str) -> str:
    """Return the name in quotes, also where it would need none."""
    return '"{}"'.format(name.replace('"', '""'))


def outside_quotes(statement: str) -> str:
    """Return what of the statement the server takes for words of SQL."""

    def left(found: re.Match[str]) -> str:
        body = found["body"]
        return " " if body is None else f" {outside_quotes(body)} "

    return _QUOTED.sub(left, statement)


class QuotingMonitor:
    """Looks at each statement of each connection of this process."""

    def __init__(self) -> None:
        self.quoted = 0
        self.unquoted: list[str] = []

    def install(self, *, connection: BaseDatabaseWrapper, **_kwargs: Any) -> None:
        """Look at what this connection executes from now on."""
        connection.execute_wrappers.append(self)

    def __call__(
        self, execute: Any, sql: Any, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        """Note where the mark is in the statement, then execute it."""
        statement = str(sql)
        self.quoted += MARK in statement
        if MARK in outside_quotes(statement):
            self.unquoted.append(statement)
        return execute(sql, params, many, context)


@contextmanager
def always_quoted(*, somewhere: bool = True) -> Iterator[None]:
    """Fail if a marked name gets into a statement outside of quotes.

    With ``somewhere``, fail also if it gets into none at all.
    """
    watch = QuotingMonitor()
    for each in connections.all(initialized_only=True):
        watch.install(connection=each)
    connection_created.connect(watch.install, weak=False)
    try:
        yield
    finally:
        connection_created.disconnect(watch.install)
        for each in connections.all(initialized_only=True):
            if watch in each.execute_wrappers:
                each.execute_wrappers.remove(watch)
    assert watch.unquoted == [], watch.unquoted
    assert watch.quoted > 0 or not somewhere


@contextmanager
def canary(database: Database) -> Iterator[None]:
    """Fail if the table that hostile names try to drop is gone, or has other rows."""
    database.execute(f"CREATE TABLE {CANARY} AS SELECT 1 AS sings")
    yield
    assert database.query(f"SELECT sings FROM {CANARY}") == [1]


@contextmanager
def nothing_breaks_out(database: Database) -> Iterator[None]:
    """Fail if what is given is SQL anywhere, whether a payload of it runs to its end or not."""
    with canary(database), always_quoted(somewhere=False):
        yield
