"""Running ``timepart`` as its users do: in this process, and as a program of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from django.core.management import CommandError, call_command
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from tests.support.checkout import CHECKOUT

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
"""No server listens on port 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """How a command ended."""

    status: int
    out: str
    error: str

    @property
    def json(self) -> Any:
        """What ``--json`` printed."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """What was printed, line by line."""
        return self.out.splitlines()


def timepart(*arguments: str) -> CommandResult:
    """Run the command in this process, on the connection of the test."""
    out, error = StringIO(), StringIO()
    status = 0
    try:
        call_command("timepart", *arguments, stdout=out, stderr=error)
    except CommandError as raised:
        status = raised.returncode
        error.write(str(raised))
    return CommandResult(status=status, out=out.getvalue(), error=error.getvalue())


def run_timepart(*arguments: str, url: str | None = None, **options: Any) -> CommandResult:
    """Run the command as a program, on the test's database or on the one that ``url`` names."""
    ended = subprocess.run(
        program(*arguments),
        env=environment(url),
        cwd=CHECKOUT,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        **{
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            **options,
        },
    )
    return CommandResult(status=ended.returncode, out=ended.stdout or "", error=ended.stderr)


def run_unread(*arguments: str) -> CommandResult:
    """Run the command as a program, before ``| head`` that has read enough."""
    unread, written = os.pipe()
    os.close(unread)
    try:
        return run_timepart(*arguments, stdout=written)
    finally:
        os.close(written)


def program(*arguments: str) -> list[str]:
    """Return the words of the command line."""
    return [sys.executable, "-m", "django", "timepart", *arguments]


def environment(url: str | None = None) -> dict[str, str]:
    """Return the environment that leads a program to the test's database, or to ``url``."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": url or _test_database(),
        "PYTHONIOENCODING": "utf-8",
    }


@contextmanager
def second_connection(*statements: str) -> Iterator[BaseDatabaseWrapper]:
    """Open a transaction on another connection, in which these statements were run."""
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        yield other
    finally:
        other.close()


def _test_database() -> str:
    parts = urlsplit(os.environ["DATABASE_URL"])
    name = quote(str(connection.settings_dict["NAME"]))
    return urlunsplit(parts._replace(path=f"/{name}"))
