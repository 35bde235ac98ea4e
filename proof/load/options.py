"""Command-line options of the load proof."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

MAX_TABLES = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One run."""

    tables: int
    rotations: int
    """How often each table rotates at least."""

    minutes: float
    """In how many minutes."""

    quiet_minutes: float
    """How long the same load goes on without rotation, before and again afterwards."""

    workers: int
    beats: int
    pass_seconds: int
    """How often beat sends a pass over each table."""

    grace_seconds: float
    """How long what is detached is kept where it is dropped."""

    rate: float
    """Rows a second, of all writers together."""

    writers: int
    readers: int
    report_seconds: float
    """How long each report keeps its transaction open."""

    long_report_seconds: float
    """How long each fourth one does: longer than a pass waits, so that passes give way to it."""

    report_every_seconds: float
    rows_a_partition: int
    """In each partition of the past."""

    @property
    def step_seconds(self) -> float:
        """How often each table rotates."""
        return self.minutes * 60 / self.rotations

    def as_text(self) -> str:
        """Return them as one argument for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return what as_text() was called on."""
        return cls(**json.loads(text))


def read_options(arguments: Sequence[str] | None = None) -> tuple[Options, Path | None]:
    """Return what the arguments say, and the file that the report goes to as well.

    Ends the process with a sentence for an argument that is wrong.
    """
    given = vars(_parser().parse_args(arguments))
    file: Path | None = given.pop("report")
    return Options(**given), file


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m proof.load",
        description="Rotate many tables under a steady load. See docs/load.md.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--tables", type=_tables, default=16, help="that rotate")
    add("--rotations", type=_count, default=60, help="of each table at least")
    add("--minutes", type=_amount, default=6.0, help="in which they happen")
    add("--quiet-minutes", type=_amount, default=1.0, help="before and after, without rotation")
    add("--workers", type=_count, default=4, help="Celery worker processes")
    add("--beats", type=_count, default=2, help="beat processes")
    add("--pass-seconds", type=_count, default=5, help="between two passes over one table")
    add("--grace-seconds", type=_amount, default=20.0, help="before a detached partition drops")
    add("--rate", type=_amount, default=240.0, help="rows a second, of all writers")
    add("--writers", type=_count, default=4, help="processes that write")
    add("--readers", type=_count, default=2, help="processes that read")
    add("--report-seconds", type=_amount, default=5.0, help="that each report is open")
    add("--long-report-seconds", type=_amount, default=12.0, help="that each fourth one is open")
    add("--report-every-seconds", type=_amount, default=20.0, help="a report begins")
    add("--rows-a-partition", type=_count, default=200, help="of the past")
    add("--report", type=Path, help="a file that the report goes to as well")
    return parser


def _tables(text: str) -> int:
    number = _count(text)
    if number > MAX_TABLES:
        raise argparse.ArgumentTypeError(f"must be at most {MAX_TABLES}")
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _amount(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return number
