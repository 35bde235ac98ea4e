"""Results as tables: one to print, and one for the docs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from bench.table import Table
from proof.matrix.combinations import FACTORS
from proof.matrix.results import Outcome, Result, log_of

HEADING = "## The last whole run\n"
_HEADERS = ("PostgreSQL", "Django", "Python", "driver", "ended", "tests")


def line(result: Result) -> str:
    """Return what is said as soon as a combination has ended."""
    minutes, seconds = divmod(round(result.seconds), 60)
    taken = f" in {minutes} min {seconds} s" if result.seconds else ""
    details = ", ".join(filter(None, [result.counts, result.why]))
    log = f" Log: {log_of(result.combination)}" if result.outcome is Outcome.FAILED else ""
    return f"{result.combination}: {result.outcome}{taken}: {details}.{log}"


def printed(results: Sequence[Result]) -> str:
    """Return the table of a run, whole or not."""
    rows = (
        (*_versions(each), each.outcome.value, each.counts or each.why or "-") for each in results
    )
    return str(Table(title="Versions", headers=_HEADERS, rows=tuple(rows), notes=_notes(results)))


def documented(document: str, results: Sequence[Result], day: dt.date) -> str:
    """Return the document with this whole run instead of the one that it tells of."""
    kept, heading, _ = document.partition(HEADING)
    each = _markdown(("PostgreSQL", "Django", "Python", "driver", "tests"), map(_row, results))
    told = f"\n{day}:\n\n{summary(results)}\nEach of them:\n\n{each}"
    return kept + (heading or HEADING) + told


def summary(results: Sequence[Result]) -> str:
    """Return what ran with each PostgreSQL and each Django, as a table in Markdown."""
    headers = ("PostgreSQL", *(f"Django {django}" for django in FACTORS["django"]))
    return _markdown(headers, (_summarised(pg, results) for pg in FACTORS["pg"]))


def _summarised(pg: str, results: Sequence[Result]) -> list[str]:
    cells = []
    for django in FACTORS["django"]:
        those = [
            each.combination
            for each in results
            if (each.combination.pg, each.combination.django) == (pg, django)
        ]
        cells.append(", ".join(f"{each.python} with {each.driver}" for each in those))
    return [pg, *cells]


def _row(result: Result) -> Sequence[str]:
    return (*_versions(result), result.counts)


def _versions(result: Result) -> tuple[str, ...]:
    """Return the exact versions, or where it did not come to that those that were wanted."""
    return tuple(
        result.releases.get(factor, getattr(result.combination, factor))
        for factor in ("pg", "django", "python", "driver")
    )


def _notes(results: Sequence[Result]) -> tuple[str, ...]:
    numbers = [
        (sum(each.outcome is outcome for each in results), outcome.value) for outcome in Outcome
    ]
    return ("", ", ".join(f"{number} {word}" for number, word in numbers if number) + ".")


def _markdown(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
