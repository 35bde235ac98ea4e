"""Results as docs/locks.md: tables that people read and tests compare with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import groupby

from proof.locks.cells import BUDGET, CELLS, ENDLESS, MOMENT, NEVER, Cell, CellResult
from tests.support.checkout import CHECKOUT

PAGE = CHECKOUT / "docs" / "locks.md"
MARK = "<!-- From here on, make locks writes this page. -->\n"

WORST_LAST = (NEVER, MOMENT, BUDGET, ENDLESS)

LONGEST = "longest seen"
"""Heads the column of milliseconds."""

STATEMENTS = (
    "SELECT of a day",
    "SELECT of all",
    "INSERT",
    "UPDATE, DELETE",
    "SELECT by name",
    "referenced: SELECT",
    "referenced: INSERT, UPDATE",
    "referenced: DELETE",
    "referring: SELECT",
    "referring: INSERT",
    "referring: UPDATE, DELETE",
)

Results = Mapping[str, CellResult]


def written(results: Results) -> str:
    """Return the part of the page that is made of the results."""
    return "\n".join([*_summary(results), *_details(results)]) + "\n"


def write(results: Results) -> None:
    """Put the results into the page, in place of those that are there."""
    prose, _, _ = PAGE.read_text().partition(MARK)
    PAGE.write_text(prose + MARK + written(results))


def on_page() -> str:
    """Return the part of the page that was made of results."""
    return PAGE.read_text().partition(MARK)[2]


def read() -> dict[str, CellResult]:
    """Return the results that are on the page, by cell."""
    found: dict[str, CellResult] = {}
    for section in on_page().split("\n### ")[1:]:
        title, _, text = section.partition("\n")
        locks = re.search(r"^Takes (.*)\.$", text, re.MULTILINE)
        header, _, *rows = (_split(line) for line in text.splitlines() if line.startswith("|"))
        for who, outcome, *words, longest in rows:
            found[f"{title}: {who}"] = CellResult(
                outcome=outcome,
                waits=dict(zip(header[2:-1], words, strict=True)),
                locks=tuple(locks[1].split(", ")) if locks and who == "nobody" else (),
                longest_ms=_from_milliseconds(longest),
            )
    return found


def _summary(results: Results) -> Iterator[str]:
    yield "\n## The worst of each operation\n"
    yield from _header("", (*STATEMENTS, LONGEST))
    for case, cells in groupby(CELLS, lambda cell: str(cell.case)):
        some = [results[str(cell)] for cell in cells]
        waits = [each.waits for each in some]
        worst = (_worst([each[name] for each in waits if name in each]) for name in STATEMENTS)
        yield _line(case, *worst, _milliseconds(max(each.longest_ms for each in some)))


def _worst(words: list[str]) -> str:
    return max(words, key=WORST_LAST.index, default="")


def _details(results: Results) -> Iterator[str]:
    for operation, cells in groupby(CELLS, lambda cell: cell.case.operation.title):
        yield f"\n## {operation[0].upper()}{operation[1:]}"
        for case, some in groupby(cells, lambda cell: str(cell.case)):
            yield from _scene(case, list(some), results)


def _scene(case: str, cells: list[Cell], results: Results) -> Iterator[str]:
    undisturbed = results[str(cells[0])]
    yield f"\n### {case}\n"
    yield f"Takes {', '.join(undisturbed.locks)}.\n"
    yield from _header("in the way", ("ended", *undisturbed.waits, LONGEST))
    for cell in cells:
        found = results[str(cell)]
        longest = _milliseconds(found.longest_ms)
        yield _line(cell.title, found.outcome, *found.waits.values(), longest)


def _header(first: str, others: tuple[str, ...]) -> Iterator[str]:
    yield _line(first, *others)
    yield "|" + "---|" * (len(others) + 1)


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _milliseconds(longest: int) -> str:
    return f"{longest} ms" if longest else NEVER


def _from_milliseconds(words: str) -> int:
    return 0 if words == NEVER else int(words.removesuffix(" ms"))


def _split(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]
