"""``python -m proof.load``: on the servers that DATABASE_URL and REDIS_URL name.

Models are imported once Django is set up, which needs the database that this makes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import django

from deploy.demo.environment import Environment, ending_signals_stop, own_environment
from deploy.demo.errors import DemoError, Stopped
from deploy.demo.options import server_urls
from proof.load.options import Options, read_options


def main() -> int:
    """Run the proof; return the exit status: 0 if nothing was refused, lost or left undone."""
    options, file = read_options()
    try:
        urls = server_urls(os.environ, "load", "proof.load")
        settings = {
            "DJANGO_SETTINGS_MODULE": "proof.load.settings",
            "LOAD_TABLES": str(options.tables),
        }
        with (
            ending_signals_stop() as stop,
            own_environment("load", urls, stop, settings) as environment,
        ):
            return _prove(options, environment, file)
    except DemoError as error:
        print(error, file=sys.stderr)
    except Stopped:
        print("Stopped before its end: nothing is proved.", file=sys.stderr)
    return 1


def _prove(options: Options, environment: Environment, file: Path | None) -> int:
    environment.migrate("--run-syncdb")
    django.setup()
    from django.db import connections

    from proof.load import report, table_setup
    from proof.load.processes import Processes
    from proof.load.run import Run
    from proof.load.samples import read_samples

    initial_rows = table_setup.prepare(options, environment.database.archive)
    processes = Processes(environment, options)
    observations = Run(options, environment, processes, initial_rows).run()
    samples = read_samples(environment.children.folder)
    verdict = report.judge(observations, samples, processes, environment.database, options)
    _print_lines(
        report.report(verdict, observations, processes, environment.database, options), file
    )
    connections.close_all()
    return 1 if verdict.complaints else 0


def _print_lines(lines: Iterable[str], file: Path | None) -> None:
    text = "".join(f"{line}\n" for line in lines)
    print(text, end="", flush=True)
    if file is not None:
        file.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
