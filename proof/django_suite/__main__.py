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
from proof.django_suite.backends import BACKENDS
from proof.django_suite.comparison import Comparison, table
from proof.django_suite.environments import Environment, environment_with, this_environment
from proof.django_suite.errors import SuiteError
from proof.django_suite.sources import tests_of
from proof.django_suite.suite_run import compare

SUITES = ("schema", "migrations", "migrate_signals", "postgres_tests")
SUITES_OF_ROWS = (
    "basic",
    "update",
    "delete",
    "delete_regress",
    "bulk_create",
    "queries",
    "select_for_update",
    "admin_changelist",
    "custom_pk",
    "force_insert_update",
    "update_only_fields",
    "defer",
)
"""What reads and writes rows, run with partitioned models."""

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
    return _told(
        [
            compare(suite, environment, tests, backend, is_partitioned=is_partitioned)
            for suite, is_partitioned in _runs(options)
        ]
    )


def _runs(options: argparse.Namespace) -> list[tuple[str, bool]]:
    """Return the suites to run, and for each whether its models shall be partitioned."""
    plain: Sequence[str] = SUITES if options.backend == "django" else SUITES_OF_EDITORS
    partitioned: Sequence[str] = SUITES_OF_ROWS if options.backend == "django" else ()
    if options.suites:
        return [(each, options.partitioned) for each in options.suites]
    if options.partitioned:
        plain, partitioned = (), SUITES_OF_ROWS
    return [(each, False) for each in plain] + [(each, True) for each in partitioned]


def _environment(options: argparse.Namespace) -> Environment:
    if options.django is None:
        return this_environment()
    return environment_with(options.django, options.python)


def _told(comparisons: Sequence[Comparison]) -> int:
    print(table(comparisons))
    faults = [fault for each in comparisons for fault in each.faults()]
    for fault in faults:
        print(f"  {fault}")
    print("NOT the same." if faults else _sameness(comparisons))
    return 1 if faults else 0


def _sameness(comparisons: Sequence[Comparison]) -> str:
    """Return the sentence about runs without a fault, with the reasons of what must differ."""
    reasons = {test: each.expected[test] for each in comparisons for test in each.differences()}
    lines = [f"  {test}: {reason}." for test, reason in reasons.items()]
    if not lines:
        return "The same, test by test."
    return "\n".join((*lines, f"The same, but for the {len(lines)} above, which must differ."))


def _server_version() -> str:
    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    try:
        return str(connection.get_parameter_status("server_version")).partition(" ")[0]
    finally:
        connection.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m proof.django_suite", description=__doc__)
    parser.add_argument(
        "suites", nargs="*", help="names, or dotted parts (default: those of docs/django-suite.md)"
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
    parser.add_argument(
        "--partitioned", action="store_true", help="partition the models of the tests"
    )
    parser.add_argument("--fetch", action="store_true", help="fetch the sources, and end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
