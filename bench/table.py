"""Tables of results as aligned text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table of results; the first column is words, the others are figures."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    """Sentences that follow the table."""

    def __str__(self) -> str:
        lines = [self.headers, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        body = (_line(line, widths) for line in lines)
        return "\n".join([self.title, "-" * len(self.title), *body, *self.notes])


def seconds(value: float) -> str:
    """Return such as ``2.513 s``."""
    return f"{value:.3f} s"


def milliseconds(value: float) -> str:
    """Return ``value``, which is in seconds, as such as ``12.3 ms``."""
    return f"{value * 1000:.1f} ms"


def ratio(value: float, base: float) -> str:
    """Return how many times ``base`` the value is."""
    return f"{value / base:.2f}" if base else "-"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    figures = zip(cells[1:], widths[1:], strict=True)
    parts = [cells[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in figures)]
    return "  ".join(parts).rstrip()
