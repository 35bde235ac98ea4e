"""The deployable project as it runs elsewhere: its compose file, and its commands as processes."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import yaml

from deploy.local.binaries import find_postgres, find_redis
from tests.support.checkout import CHECKOUT

COMPOSE = CHECKOUT / "docker-compose.yml"
VENV_BIN = Path(sys.executable).parent


def compose_services() -> dict[str, dict[str, Any]]:
    """Return the services of the compose file, its merges done."""
    services: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
    return services


def resolved(text: str, variables: Mapping[str, str]) -> str:
    """Return a string of the compose file as compose resolves it."""

    def value(match: re.Match[str]) -> str:
        return variables.get(match["name"], match["default"] or "")

    return re.sub(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*)|:\?[^}]*)?\}", value, text).replace(
        "$$", "$"
    )


def health_command(service: Mapping[str, Any]) -> list[str]:
    """Return the command of a service's health check."""
    form, *words = service["healthcheck"]["test"]
    return ["sh", "-c", resolved(words[0], {})] if form == "CMD-SHELL" else words


@contextmanager
def own_database(template: str = "template1") -> Iterator[str]:
    """Make a database on the tests' server, empty or like another; give its URL, and drop it."""
    name = f"deployed_{secrets.token_hex(4)}"
    with closing(psycopg2.connect(os.environ["DATABASE_URL"])) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
            try:
                yield urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
            finally:
                cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def environment(database_url: str, redis_url: str, **more: str) -> dict[str, str]:
    """Return what a process of the project needs to know, and nothing that this one knows."""
    folders = (VENV_BIN, find_redis().parent, Path(find_postgres().path("postgres")).parent)
    return {
        "PATH": os.pathsep.join([*map(str, folders), os.environ["PATH"]]),
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": str(CHECKOUT),
        "SECRET_KEY": "only for tests",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        **more,
    }


class Running:
    """A process with its output in a file."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            # A session of its own, so that none of its children is left behind.
            self.process = subprocess.Popen(
                command,
                cwd=log.parent,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self, signum: int = signal.SIGTERM, seconds: float = 30) -> int:
        """Ask it to end and return its exit status."""
        self.process.send_signal(signum)
        return self.process.wait(seconds)

    def has_ended(self) -> bool:
        """Return whether it runs no more."""
        return self.process.poll() is not None

    def said(self) -> str:
        """Return its output so far."""
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """End it and its children, whatever they do."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextmanager
def running(command: Sequence[str], environ: Mapping[str, str], log: Path) -> Iterator[Running]:
    """Run a command for as long as the block runs."""
    process = Running(command, environ, log)
    try:
        yield process
    finally:
        process.kill()


def run(command: Sequence[str], environ: Mapping[str, str], folder: Path) -> str:
    """Run a command to its end and return its output; fail unless its exit status is 0."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """Return the first true answer; fail if there is none in time."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)
    return answer
