"""``python -m proof.django_suite``: run Django's own tests without and with pg_timepart.

The exit status is 0 if every test of each suite ended alike and pg_timepart was active in the run
with it, and only there.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import psycopg2

from deploy.local.command import ending_signals_raise
from proof.django_suite.backends import BACKENDS, DJANGO_S
from proof.django_suite.comparison import Comparison, table
from proof.django_suite.environments import Environment, environment_with, this_environment
from proof.django_suite.errors import SuiteError
from proof.django_suite.sources import tests_of
from proof.django_suite.suite_run import compare

SUITES = ("schema", "migrations", "migrate_signals", "postgres_tests")
SUITES_OF_EDITORS = ("schema", "migrations")
"""What another backend's schema editor changes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        with ending_signals_raise():
            return _run(options)
    except SuiteError as error:
        print(error, file=sys.stderr)
    return 1


def _run(options: argparse.Namespace) -> int:
    environment = _environment(options)
    tests = tests_of(environment.django_version, environment.python)
    if options.fetch:
        return 0
    print(f"PostgreSQL {_server_version()}, {environment}, {options.backend}", flush=True)
    backend = BACKENDS[options.backend]
    suites = options.suites or (SUITES if backend is DJANGO_S else SUITES_OF_EDITORS)
    return _told([compare(each, environment, tests, backend) for each in suites])


def _environment(options: argparse.Namespace) -> Environment:
    if options.django is None:
        return this_environment()
    return environment_with(options.django, options.python)


def _told(comparisons: Sequence[Comparison]) -> int:
    print(table(comparisons))
    faults = [fault for each in comparisons for fault in each.faults()]
    for fault in faults:
        print(f"  {fault}")
    print("NOT the same." if faults else "The same, test by test.")
    return 1 if faults else 0


def _server_version() -> str:
    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    try:
        return str(connection.get_parameter_status("server_version")).partition(" ")[0]
    finally:
        connection.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m proof.django_suite", description=__doc__)
    parser.add_argument(
        "suites", nargs="*", help=f"names, or dotted parts (default: {' '.join(SUITES)})"
    )
    parser.add_argument(
        "--django", help="another release, such as 6.0 or 6.0.1 (default: the one installed)"
    )
    parser.add_argument(
        "--python", default=sys.executable, help="the Python for it (default: this one)"
    )
    parser.add_argument(
        "--backend", choices=BACKENDS, default="django", help="another package's, in both runs"
    )
    parser.add_argument("--fetch", action="store_true", help="fetch the sources, and end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
