"""Samples: how each statement of the application ended, in files that the proof reads."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

INSERT = "INSERT"
LATE = "INSERT, late row"
WRITES = (INSERT, LATE)
SUFFIX = ".samples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One statement that the application waited for."""

    kind: str
    label: str
    """The model it was about."""

    number: int
    """Of the row that it wrote; 0 for others."""

    started: float
    """By ``time.monotonic``, whose clock the processes of a machine share."""

    seconds: float
    error: str
    """Why it was refused; empty if it was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Some time of the run."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.ended - self.began

    def has(self, sample: Sample) -> bool:
        """Return whether a part of the statement was in it."""
        return sample.started < self.ended and sample.started + sample.seconds > self.began


class StatementLog:
    """Where one process of the application notes what it did."""

    def __init__(self, file: TextIO) -> None:
        self._write = csv.writer(file).writerow

    def timed(
        self,
        kind: str,
        label: str,
        work: Callable[[], object],
        *,
        number: int = 0,
        errors: type[Exception],
    ) -> bool:
        """Do the work and note how long it took; return whether it was done.

        An error of the type ``errors`` is noted; it is neither raised nor tried again.
        """
        error = ""
        started = time.monotonic()
        try:
            work()
        except errors as refused:
            error = " ".join(str(refused).split()) or type(refused).__name__
        seconds = time.monotonic() - started
        self._write((kind, label, number, repr(started), repr(seconds), error))
        return not error


def read_samples(folder: Path) -> list[Sample]:
    """Return all that was noted in this folder, in no order."""
    return [sample for file in sorted(folder.glob(f"*{SUFFIX}")) for sample in _read(file)]


def written(samples: Iterable[Sample]) -> dict[str, list[int]]:
    """Return the numbers of the rows that were acknowledged, by label."""
    found: dict[str, list[int]] = {}
    for each in samples:
        if each.kind in WRITES and not each.error:
            found.setdefault(each.label, []).append(each.number)
    return found


def percentile(seconds: Sequence[float], share: float) -> float:
    """Return what at least this share of the values does not exceed; 0 for no values."""
    ordered = sorted(seconds)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


def _read(file: Path) -> Iterator[Sample]:
    with file.open(newline="") as lines:
        for kind, label, number, started, seconds, error in csv.reader(lines):
            yield Sample(
                kind=kind,
                label=label,
                number=int(number),
                started=float(started),
                seconds=float(seconds),
                error=error,
            )
