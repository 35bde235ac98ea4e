"""Rotations that the workers have done, beside those that they had to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from deploy.demo.history import RETIRING, Step
from pg_timepart.constants import ActionKind, Outcome
from proof.load.table_kinds import TableKind

PARTS = {
    "create": (ActionKind.CREATE,),
    "detach": RETIRING,
    "move": (ActionKind.MOVE,),
    "drop": (ActionKind.DROP,),
}
"""The parts of a rotation, and by which actions each is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What must have been done to one table."""

    label: str
    kind: TableKind
    rotations: int
    has_archive: bool
    """Whether there is a tablespace to move to."""

    def shortfalls(self, done: Mapping[str, int]) -> list[str]:
        """Return a sentence for each part of a rotation that was done less often than it must."""
        return [
            f"{self.label}: {done.get(part, 0)} of {wanted} times {part}."
            for part, wanted in self._wanted(done).items()
            if done.get(part, 0) < wanted
        ]

    def _wanted(self, done: Mapping[str, int]) -> dict[str, int]:
        """Return how often each is done at least; what was detached moves, and some of it drops."""
        detached = done.get("detach", 0)
        return {
            "create": self.rotations,
            "detach": self.rotations,
            "move": detached if self.kind.moves and self.has_archive else 0,
            "drop": int(self.kind.drops),
        }


@dataclass(slots=True)
class Rotations:
    """What was done on beat's schedule."""

    by_label: dict[str, Counter[str]] = field(default_factory=dict)
    by_worker: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, steps: Iterable[Step]) -> Rotations:
        """Return what these steps did: each part once a partition."""
        found = cls()
        seen: set[tuple[str, str]] = set()
        for step in steps:
            part = _PART_OF.get(step.kind)
            if part is None or not (step.is_done and step.is_scheduled):
                continue
            if (part, step.partition) not in seen:
                seen.add((part, step.partition))
                found.by_label.setdefault(step.label, Counter())[part] += 1
                found.by_worker[step.worker] += 1
        return found

    @property
    def total(self) -> Counter[str]:
        """All tables together."""
        return sum(self.by_label.values(), Counter())

    def shortfalls(self, goals: Sequence[Goal]) -> list[str]:
        """Return a sentence for each part of a rotation that did not happen often enough."""
        return [
            sentence
            for goal in goals
            for sentence in goal.shortfalls(self.by_label.get(goal.label, {}))
        ]


def deferred(steps: Iterable[Step]) -> list[Step]:
    """Return what gave way to somebody."""
    return [each for each in steps if each.outcome is Outcome.DEFERRED]


_PART_OF = {kind: part for part, kinds in PARTS.items() for kind in kinds}
