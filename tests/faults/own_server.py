"""A PostgreSQL server that a test may crash, starve and fill without disturbing another test."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from django.db import connection

from deploy.local import start_postgres, stop
from deploy.local.privileges import unprivileged_account
from tests.acceptance.installation import run_python
from tests.support.other_database import using_database

CRASH = (signal.SIGQUIT, signal.SIGKILL)
"""Ends the server at once, without a checkpoint: it must recover when it starts again."""

FAST = (signal.SIGINT, signal.SIGQUIT)
"""Ends the server as its administrator does: every session is ended first."""


class OwnServer:
    """The server, durable as in production, and with the tables of the tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running = start_postgres(folder, durable=True)

    @property
    def url(self) -> str:
        """How to connect, as a superuser."""
        return self.running.url

    def migrate(self) -> None:
        """Make the tables."""
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.acceptance.settings",
            "DATABASE_URL": self.url,
        }
        run_python(environment, "-m", "django", "migrate", "--verbosity=0")

    def stop(self, signals: tuple[int, int] = FAST) -> None:
        """Stop it, and return when it is gone; sessions on it are lost."""
        stop(replace(self.running, stop_signals=signals))

    def start(self, *, within: Sequence[str] = (), **settings: str) -> None:
        """Start it again with its data, on its port."""
        self.running = start_postgres(
            self.folder, port=self.running.port, durable=True, settings=settings, within=within
        )

    def restart(self, signals: tuple[int, int] = FAST) -> None:
        """Stop it and start it again."""
        self.stop(signals)
        self.start()

    def make_folder(self, name: str) -> Path:
        """Return a folder beside the data, which is the server's own."""
        folder = self.folder / name
        folder.mkdir(mode=0o700)
        unprivileged_account().own(folder)
        return folder

    @contextmanager
    def changed(self, *, within: Sequence[str] = (), **settings: str) -> Iterator[None]:
        """Run it with other settings for a while; see start_postgres."""
        connection.close()
        self.stop()
        self.start(within=within, **settings)
        try:
            yield
        finally:
            connection.close()
            self.restart()

    @contextmanager
    def database(self) -> Iterator[None]:
        """Make it the default database of this process for a while."""
        with using_database(self.url):
            yield
