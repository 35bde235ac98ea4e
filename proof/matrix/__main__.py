"""``python -m proof.matrix``: run the tests on combinations of versions and print a table."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Iterator, Sequence

from deploy.local.command import ending_signals_raise
from proof.matrix import combinations, suite_process, table
from proof.matrix.combinations import FACTORS, Combination
from proof.matrix.folders import DOCUMENT
from proof.matrix.results import Outcome, Result, keep, kept


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; return 1 if a combination failed or none could be run, else 0."""
    options = _parser().parse_args(arguments)
    those = _wanted(options)
    if options.list:
        print(*those, sep="\n")
        return 0
    with ending_signals_raise():
        results = list(_results(those, options))
    print(f"\n{table.printed(results)}")
    outcomes = {each.outcome for each in results}
    if outcomes == {Outcome.PASSED} and those == combinations.chosen() and not options.pytest:
        _document(results)
    return 0 if Outcome.PASSED in outcomes and Outcome.FAILED not in outcomes else 1


def _document(results: Sequence[Result]) -> None:
    today = dt.datetime.now(dt.UTC).date()
    DOCUMENT.write_text(table.documented(DOCUMENT.read_text(), results, today))
    print(f"All passed: written to {DOCUMENT}. The table of README.md is to be the same.")


def _wanted(options: argparse.Namespace) -> list[Combination]:
    those = combinations.only(combinations.chosen(), options.only)
    return combinations.quick(those) if options.quick and those else those


def _results(those: Sequence[Combination], options: argparse.Namespace) -> Iterator[Result]:
    code = suite_process.fingerprint() + " ".join(options.pytest)
    for each in those:
        before = kept(each, code) if options.resume else None
        if before and before.outcome is Outcome.PASSED:
            result = before
        else:
            result = suite_process.run(each, options.pytest)
            keep(result, code)
        print(table.line(result), flush=True)
        yield result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m proof.matrix", description=__doc__)
    add = parser.add_argument
    add(
        "--only",
        action="append",
        default=[],
        type=_wish,
        metavar="FACTOR=VERSION",
        help=f"those with this version of one of {', '.join(FACTORS)}; may be repeated",
    )
    add("--quick", action="store_true", help="two: the oldest of all versions, and the newest")
    add("--resume", action="store_true", help="what has passed with the same code is not run again")
    add("--list", action="store_true", help="say which would be run")
    add("pytest", nargs="*", help="arguments of pytest, after --, instead of all the tests")
    return parser


def _wish(text: str) -> tuple[str, str]:
    factor, _, version = text.partition("=")
    if version not in FACTORS.get(factor, ()):
        known = "; ".join(f"{each}={'|'.join(versions)}" for each, versions in FACTORS.items())
        raise argparse.ArgumentTypeError(f"it is one of {known}")
    return factor, version


if __name__ == "__main__":
    sys.exit(main())
