"""``python -m deploy.demo``: the demo on the servers that DATABASE_URL and REDIS_URL name.

DEMO_SECONDS ends it after so many seconds, and DEMO_PORT says where the admin listens. The exit
status is 0 if a worker has created and retired partitions on beat's schedule, and no row was
refused or lost.
"""

from __future__ import annotations

import os
import sys
import threading

import django

from deploy.demo.environment import ending_signals_stop, own_environment
from deploy.demo.errors import DemoError, Stopped
from deploy.demo.options import Options, read_options


def main() -> int:
    """Show the demo; return the exit status."""
    try:
        options = read_options(os.environ)
        with ending_signals_stop() as stop:
            return _run(options, stop)
    except DemoError as error:
        print(error, file=sys.stderr)
    except Stopped:
        print("Stopped before the show began.", file=sys.stderr)
    return 1


def _run(options: Options, stop: threading.Event) -> int:
    with own_environment("demo", options.urls, stop, {}) as environment:
        print("Migrating a database of the demo's own ...", flush=True)
        environment.migrate()
        django.setup()
        from deploy.demo.demo_run import DemoRun

        return DemoRun(options, environment).run()


if __name__ == "__main__":
    sys.exit(main())
