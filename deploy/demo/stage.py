"""What a run needs before it begins: a migrated database, keys of the broker, and its processes."""

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
from deploy.demo.keys import own_keys
from deploy.demo.options import ServerUrls
from deploy.demo.place import Place, own_place
from deploy.demo.processes import Child, Children

_MIGRATE_SECONDS = 120.0
_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One run's own, gone when it ends."""

    place: Place
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
def own_stage(
    name: str, urls: ServerUrls, stop: threading.Event, settings: Mapping[str, str]
) -> Iterator[Stage]:
    """Make all that a run needs, and remove it afterwards.

    The environment of this process, which those that it starts get too, names it, whatever the
    shell has set for another; ``settings`` are more of these variables. Raises DemoError.
    """
    with (
        own_place(urls.database, name) as place,
        own_keys(urls.redis, name, place.token) as prefix,
        Children(name, place.token) as children,
    ):
        os.environ.update({**_environment(urls, place, prefix), **settings})
        yield Stage(place=place, children=children, stop=stop)


@contextmanager
def ending_signals_stop() -> Iterator[threading.Event]:
    """Turn the signals that end a process into an event, so that all is summed up and stopped."""
    stop = threading.Event()
    for each in _ENDING_SIGNALS:
        signal.signal(each, lambda *_: stop.set())
    yield stop


def _environment(urls: ServerUrls, place: Place, prefix: str) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "deploy.settings",
        "DEMO": "1",
        "DEBUG": "0",
        "DATABASE_URL": place.url,
        "MAINTENANCE_DATABASE_URL": "",
        "CELERY_BROKER_URL": urls.redis,
        "CELERY_RESULT_BACKEND": urls.redis,
        "CELERY_KEY_PREFIX": prefix,
        "SECRET_KEY": secrets.token_urlsafe(48),
        "BEAT_LOOP_SECONDS": "1",
        "PYTHONUNBUFFERED": "1",
    }
