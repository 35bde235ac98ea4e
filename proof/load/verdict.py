"""Verdict on a run: refused and lost rows, missing rotations, early drops, failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proof.load.row_balance import RowBalance
from proof.load.samples import WRITES, Sample

_SHOWN = 5
"""How many of many alike are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What counts of one run."""

    samples: Sequence[Sample]
    balance: RowBalance
    shortfalls: Sequence[str]
    """Sentences: parts of rotations that did not happen."""

    early_drops: Sequence[str]
    """Sentences: partitions that were dropped before their time."""

    failures: Sequence[str]
    """Why runs and tasks failed."""

    by_worker: Mapping[str, int]
    """What each worker did."""

    by_beat: Mapping[str, int]
    """How many messages each beat has sent."""

    @property
    def refused(self) -> list[Sample]:
        """Rows that the application could not write."""
        return [each for each in self.samples if each.error and each.kind in WRITES]

    @property
    def errors(self) -> list[Sample]:
        """Other statements that ended in an error."""
        return [each for each in self.samples if each.error and each.kind not in WRITES]

    @property
    def complaints(self) -> list[str]:
        """What was not as it had to be; nothing if all was."""
        return [
            *_counted("rows were refused", [_line(each) for each in self.refused]),
            *_counted("other statements ended in an error", [_line(each) for each in self.errors]),
            *_counted("rows are lost", self.balance.lost),
            *_counted("rows are there more than once", self.balance.doubled),
            *_counted("rows are there that were not acknowledged", self.balance.unknown),
            *([] if self.balance.written else ["No row was written."]),
            *_counted("partitions were dropped before their time", self.early_drops),
            *_counted("parts of rotations are missing", self.shortfalls),
            *_counted("runs failed", self.failures),
            *(f"{name} did nothing." for name, done in self.by_worker.items() if not done),
            *(f"{name} sent nothing." for name, sent in self.by_beat.items() if not sent),
        ]


def _counted(what: str, alike: Sequence[str]) -> list[str]:
    if not alike:
        return []
    shown = [
        f"{times} times: {sentence}" if times > 1 else sentence
        for sentence, times in Counter(alike).most_common(_SHOWN)
    ]
    return [f"{len(alike):,} {what}, such as: {'; '.join(shown)}"]


def _line(sample: Sample) -> str:
    return f"{sample.kind} of {sample.label}: {sample.error}"
