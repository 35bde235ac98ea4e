"""Database of one run, so that nothing else on the server is touched."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psycopg2
from psycopg2 import sql

from deploy.demo.errors import DemoError

_FIRST_WITH_IN_PLACE_TABLESPACES = 150_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnDatabase:
    """Where a run keeps its tables."""

    token: str
    """What is in each name that the run makes."""

    url: str
    """Its database."""

    server: str
    """What the server calls itself, such as "PostgreSQL 18"."""

    archive: str | None
    """A second tablespace for what is retired; None where the server can make none."""


@contextmanager
def own_database(server_url: str, name: str) -> Iterator[OwnDatabase]:
    """Make a database and, if possible, a tablespace, and drop both afterwards.

    ``name`` is a word in the database's name that says what it is for.

    Raises DemoError where the server is away or the role may make no database.
    """
    token = secrets.token_hex(3)
    database = f"timepart_{name}_{token}"
    with _server(server_url, name) as cursor, ExitStack() as stack:
        archive = _make_tablespace(cursor, f"archive_{token}")
        if archive:
            stack.callback(_run, cursor, "DROP TABLESPACE IF EXISTS {}", archive)
        _make_database(cursor, database)
        stack.callback(_run, cursor, "DROP DATABASE IF EXISTS {} WITH (FORCE)", database)
        yield OwnDatabase(
            token=token,
            url=urlsplit(server_url)._replace(path=f"/{database}").geturl(),
            server=_version(cursor),
            archive=archive,
        )


@contextmanager
def _server(url: str, name: str) -> Iterator[Any]:
    try:
        connection = psycopg2.connect(url, connect_timeout=10, application_name=name)
    except psycopg2.Error as error:
        reason = " ".join(str(error).split())
        raise DemoError(f"The server that DATABASE_URL names cannot be used: {reason}") from error
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def _make_database(cursor: Any, name: str) -> None:
    try:
        _run(cursor, "CREATE DATABASE {}", name)
    except psycopg2.Error as error:
        reason = " ".join(str(error).split())
        raise DemoError(f"A database of its own cannot be made: {reason}") from error


def _make_tablespace(cursor: Any, name: str) -> str | None:
    """Make one inside the server's own folder, as 15 and newer can for superusers."""
    if cursor.connection.server_version < _FIRST_WITH_IN_PLACE_TABLESPACES:
        return None
    try:
        cursor.execute("SET allow_in_place_tablespaces = on")
        _run(cursor, "CREATE TABLESPACE {} LOCATION ''", name)
    except psycopg2.Error:  # no superuser: all is shown but the move
        return None
    return name


def _run(cursor: Any, statement: str, name: str) -> None:
    cursor.execute(sql.SQL(statement).format(sql.Identifier(name)))


def _version(cursor: Any) -> str:
    cursor.execute("SHOW server_version")
    return f"PostgreSQL {cursor.fetchone()[0]}"
