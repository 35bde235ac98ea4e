"""``python -m deploy.demo``: the demo on the servers that DATABASE_URL and REDIS_URL name.

DEMO_SECONDS ends it after so many seconds, and DEMO_PORT says where the admin listens. The exit
status is 0 if a worker has created and retired partitions on beat's schedule, and no row was
refused or lost.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import django

from deploy.demo.errors import DemoError, Stopped
from deploy.demo.keys import own_keys
from deploy.demo.options import Options, read_options
from deploy.demo.place import Place, own_place
from deploy.demo.processes import Children

_MIGRATE_SECONDS = 120.0
_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Show the demo; return the exit status."""
    try:
        options = read_options(os.environ)
        with _ending_signals_stop() as stop:
            return _run(options, stop)
    except DemoError as error:
        print(error, file=sys.stderr)
    except Stopped:
        print("Stopped before the show began.", file=sys.stderr)
    return 1


def _run(options: Options, stop: threading.Event) -> int:
    with (
        own_place(options.database_url) as place,
        own_keys(options.redis_url, place.token) as prefix,
        Children(place.token) as children,
    ):
        os.environ.update(_environment(options, place, prefix))
        print("Migrating a database of the demo's own ...", flush=True)
        _migrate(children, stop)
        django.setup()
        from deploy.demo.show import Show

        return Show(options, place, children, os.environ.copy(), stop).run()


def _environment(options: Options, place: Place, prefix: str) -> dict[str, str]:
    """Return the settings of the demo's processes, whatever the shell has set for another."""
    return {
        "DJANGO_SETTINGS_MODULE": "deploy.settings",
        "DEMO": "1",
        "DEBUG": "0",
        "DATABASE_URL": place.url,
        "MAINTENANCE_DATABASE_URL": "",
        "CELERY_BROKER_URL": options.redis_url,
        "CELERY_RESULT_BACKEND": options.redis_url,
        "CELERY_KEY_PREFIX": prefix,
        "SECRET_KEY": secrets.token_urlsafe(48),
        "BEAT_LOOP_SECONDS": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _migrate(children: Children, stop: threading.Event) -> None:
    command = (sys.executable, "-m", "deploy", "migrate", "--noinput")
    child = children.start("migrate", command, os.environ.copy())

    def refuse_stop() -> None:
        if stop.is_set():
            raise Stopped

    child.finish(_MIGRATE_SECONDS, refuse_stop)


@contextmanager
def _ending_signals_stop() -> Iterator[threading.Event]:
    """Turn the signals that end a process into an event, so that all is summed up and stopped."""
    stop = threading.Event()
    for each in _ENDING_SIGNALS:
        signal.signal(each, lambda *_: stop.set())
    yield stop


if __name__ == "__main__":
    sys.exit(main())
