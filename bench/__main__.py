"""``python -m bench``: run the benchmarks and print their tables.

The benchmarks import models, so they are imported once Django is set up: the processes that play
an application import this module too.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from importlib import import_module

import django

from bench.sizes import Sizes

BENCHMARKS = ("creating", "rotation", "idle", "rows", "formats")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say and return the exit status."""
    options = _parser().parse_args(arguments)
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"
    django.setup()
    database = import_module("bench.database")
    with database.own_database():
        print(_machine(database.server_version()))
        for name in options.only or BENCHMARKS:
            _run(name, _sizes(options))
    return 0


def _run(name: str, sizes: Sizes) -> None:
    for table in import_module(f"bench.{name}").measure(sizes):
        print(f"\n{table}", flush=True)


def _machine(server: str) -> str:
    return (
        f"PostgreSQL {server}, Python {platform.python_version()}, Django {django.__version__},"
        f" {os.cpu_count()} cores"
    )


def _sizes(options: argparse.Namespace) -> Sizes:
    return Sizes(
        partitions=options.partitions,
        rounds=options.rounds,
        tables=options.tables,
        partitions_each=options.partitions_each,
        report_seconds=options.report_seconds,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    add = parser.add_argument
    add("--only", action="append", choices=BENCHMARKS, help="run this one; may be repeated")
    add("--rounds", type=_positive, default=5, help="repeat each so often (default: 5)")
    add("--partitions", type=_positive, default=365, help="to create at a time (default: 365)")
    add("--tables", type=_positive, default=200, help="of an idle pass (default: 200)")
    add("--partitions-each", type=_enough, default=59, help="of these tables (default: 59)")
    add("--report-seconds", type=float, default=5.0, help="during a rotation (default: 5)")
    return parser


def _positive(text: str) -> int:
    return _at_least(1, text)


def _enough(text: str) -> int:
    """Read a number of partitions that leaves a pass nothing to create."""
    return _at_least(8, text)


def _at_least(least: int, text: str) -> int:
    number = int(text)
    if number < least:
        raise argparse.ArgumentTypeError(f"must be at least {least}")
    return number


if __name__ == "__main__":
    sys.exit(main())
