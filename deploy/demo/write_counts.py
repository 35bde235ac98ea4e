"""Counts of rows written and refused, read from the file of the demo's application."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from pathlib import Path

_WINDOW_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteCounts:
    """All tables together."""

    written: int = 0
    refused: int = 0
    worst_ms: float = 0.0
    error: str = ""
    """The latest error of an INSERT."""


class WriteCountsReader:
    """Reads the file that the writing process appends to."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._position = 0
        self._latest = WriteCounts()
        self._seen: deque[tuple[float, int]] = deque()

    def read(self) -> WriteCounts:
        """Return the latest that was told."""
        if self._file.exists():
            with self._file.open() as told:
                told.seek(self._position)
                for line in iter(told.readline, ""):
                    if not line.endswith("\n"):
                        break
                    self._position += len(line)
                    self._latest = _sum(line)
        return self._latest

    def rows_per_second(self, now: float) -> float:
        """Return the pace of the last seconds; ``now`` is of the monotonic clock."""
        self._seen.append((now, self.read().written))
        while len(self._seen) > 2 and now - self._seen[0][0] > _WINDOW_SECONDS:
            self._seen.popleft()
        since, written = self._seen[0]
        return (self._latest.written - written) / (now - since) if now > since else 0.0


def _sum(line: str) -> WriteCounts:
    tallies = json.loads(line).values()
    return WriteCounts(
        written=sum(each["written"] for each in tallies),
        refused=sum(each["refused"] for each in tallies),
        worst_ms=max((each["worst_ms"] for each in tallies), default=0.0),
        error=next((each["error"] for each in tallies if each["error"]), ""),
    )
