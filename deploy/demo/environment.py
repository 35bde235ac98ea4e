"""Environment of a run: a migrated database, Redis keys, and processes."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from deploy.demo.errors import Stopped
from deploy.demo.options import ServerUrls
from deploy.demo.own_database import OwnDatabase, own_database
from deploy.demo.processes import Child, Children
from deploy.demo.redis_keys import own_keys

_MIGRATE_SECONDS = 120.0
_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One run's own, gone when it ends."""

    database: OwnDatabase
    children: Children
    stop: threading.Event
    """Set once somebody has asked the run to end."""

    def start(self, name: str, *command: str) -> Child:
        """Start a process with the settings of the run."""
        return self.children.start(name, command, os.environ.copy())

    def celery(self, name: str, *arguments: str) -> Child:
        """Start a worker or a beat, which is started again when it ends."""
        supervisor = (sys.executable, "-m", "deploy.local.supervisor")
        program = (sys.executable, "-m", "celery", "-A", "deploy.celery")
        return self.start(name, *supervisor, *program, *arguments, "--loglevel=INFO")

    def migrate(self, *arguments: str) -> None:
        """Migrate the database; raise Stopped if somebody ends that."""
        command = (sys.executable, "-m", "deploy", "migrate", "--noinput", *arguments)
        self.start("migrate", *command).finish(_MIGRATE_SECONDS, self.refuse_stop)

    def refuse_stop(self, seconds: float = 0.0) -> None:
        """Wait for so long; raise Stopped if somebody asks the run to end meanwhile."""
        if self.stop.wait(seconds):
            raise Stopped


@contextmanager
def own_environment(
    name: str, urls: ServerUrls, stop: threading.Event, settings: Mapping[str, str]
) -> Iterator[Environment]:
    """Make all that a run needs, and remove it afterwards.

    The environment of this process, which those that it starts get too, names it, whatever the
    shell has set for another; ``settings`` are more of these variables. Raises DemoError.
    """
    with (
        own_database(urls.database, name) as database,
        own_keys(urls.redis, name, database.token) as prefix,
        Children(name, database.token) as children,
    ):
        os.environ.update({**_environment(urls, database, prefix), **settings})
        yield Environment(database=database, children=children, stop=stop)


@contextmanager
def ending_signals_stop() -> Iterator[threading.Event]:
    """Turn the signals that end a process into an event, so that all is summed up and stopped."""
    stop = threading.Event()
    for each in _ENDING_SIGNALS:
        signal.signal(each, lambda *_: stop.set())
    yield stop


def _environment(urls: ServerUrls, database: OwnDatabase, prefix: str) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "deploy.settings",
        "DEMO": "1",
        "DEBUG": "0",
        "DATABASE_URL": database.url,
        "MAINTENANCE_DATABASE_URL": "",
        "CELERY_BROKER_URL": urls.redis,
        "CELERY_RESULT_BACKEND": urls.redis,
        "CELERY_KEY_PREFIX": prefix,
        "SECRET_KEY": secrets.token_urlsafe(48),
        "BEAT_LOOP_SECONDS": "1",
        "PYTHONUNBUFFERED": "1",
    }
