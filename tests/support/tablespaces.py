"""Tablespaces on whatever server the tests use, in folders that the server makes for itself."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import connection


@contextmanager
def tablespaces_named(*names: str) -> Iterator[None]:
    """Make tablespaces, and drop them at the end, when they must be empty.

    The default connection must be a superuser's, and in autocommit.
    """
    with ExitStack() as stack:
        for name in names:
            folder = stack.enter_context(server_folder(connection.cursor))
            _run(connection.cursor, "CREATE TABLESPACE %I LOCATION %L", name, folder)
            stack.callback(_run, connection.cursor, "DROP TABLESPACE %I", name)
        yield


@contextmanager
def server_folder(open_cursor: Callable[[], Any]) -> Iterator[str]:
    """Have the server make an empty folder beside its data, as its own user; give the path."""
    with open_cursor() as cursor:
        cursor.execute("SELECT current_setting('data_directory')")
        folder = f"{cursor.fetchone()[0]}-tablespace-{secrets.token_hex(4)}"
    _run_program(open_cursor, f"mkdir {shlex.quote(folder)}")
    yield folder
    _run_program(open_cursor, f"rmdir {shlex.quote(folder)}")


def _run_program(open_cursor: Callable[[], Any], command: str) -> None:
    _run(open_cursor, "COPY (SELECT WHERE false) TO PROGRAM %L", command)


def _run(open_cursor: Callable[[], Any], template: str, *words: str) -> None:
    """Run a statement that takes no parameters, its words quoted by the server."""
    with open_cursor() as cursor:
        cursor.execute(f"SELECT format(%s{', %s::text' * len(words)})", [template, *words])
        cursor.execute(cursor.fetchone()[0])
