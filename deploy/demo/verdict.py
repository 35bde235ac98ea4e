"""Verdict on a demo: whether it has shown what it had to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deploy.demo.history import Step
from deploy.demo.write_counts import WriteCounts
from pg_timepart.constants import ActionKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The numbers of one demo."""

    created: int
    """Partitions that the worker created on beat's schedule."""

    retired: int
    kept: int
    """Partitions past retention that stayed attached while invoice lines referred to them."""

    moved: int | None
    """None where there is no second tablespace."""

    seconds: float
    counts: WriteCounts
    rows_before: int
    """What was in the tables before the application began to write."""

    rows_after: int
    """What is in them now, retired partitions included."""

    failures: tuple[str, ...]
    """Why runs failed."""

    @property
    def gained(self) -> int:
        """How many rows the tables have more than before."""
        return self.rows_after - self.rows_before

    @property
    def complaints(self) -> list[str]:
        """What was not as it had to be; nothing if the demo was a success."""
        return [
            *self.failures,
            *([] if self.created else ["No partition was created on beat's schedule."]),
            *([] if self.retired else ["No partition was retired on beat's schedule."]),
            *([] if self.kept else ["No partition was kept that invoice lines refer to."]),
            *(self._refusals() if self.counts.refused else []),
            *([] if self.counts.written else ["No row was written."]),
            *(
                []
                if self.gained == self.counts.written
                else [f"{self.counts.written:,} rows were written, but {self.gained:,} are there."]
            ),
        ]

    def lines(self) -> list[str]:
        """Return the summary, ready to print."""
        pace = self.counts.written / self.seconds if self.seconds else 0.0
        worst = f"{self.counts.refused} refused, worst INSERT {self.counts.worst_ms:.1f} ms"
        return [
            f"In {self.seconds:.0f} seconds, on beat's schedule, the worker",
            f"  created {self.created:7,} partitions",
            f"  retired {self.retired:7,}",
            f"  kept    {self.kept:7,} while invoice lines referred to it",
            *([] if self.moved is None else [f"  moved   {self.moved:7,} to the archive"]),
            "and the application meanwhile",
            f"  wrote   {self.counts.written:7,} rows ({pace:,.0f} a second), {worst}",
            f"  finds   {self.gained:7,} of them, retired partitions included.",
        ]

    def _refusals(self) -> list[str]:
        return [f"{self.counts.refused} INSERTs were refused, the last one by: {self.counts.error}"]


def count(steps: Sequence[Step], *kinds: ActionKind) -> int:
    """Return how many partitions had such an action done on beat's schedule."""
    return len({each.partition for each in steps if _is_counted(each, kinds)})


def count_referred(steps: Sequence[Step]) -> int:
    """Return how many partitions stayed attached because rows of another table refer to them."""
    return len({each.partition for each in steps if each.is_scheduled and each.is_referred})


def _is_counted(step: Step, kinds: Sequence[ActionKind]) -> bool:
    return step.is_scheduled and step.is_done and step.kind in kinds
