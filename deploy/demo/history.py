"""History of what was done to the partitions, from the records of each maintenance run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pg_timepart.constants import ActionKind, Outcome
from pg_timepart.findings import Code
from pg_timepart.models import PartitionRun

BEAT_PREFIX = "beat: "
RETIRING = (ActionKind.DETACH, ActionKind.FINALIZE)

# A run that began earlier may be committed later, with a lower number.
_OVERLAP = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One action of one run."""

    at: datetime
    label: str
    kind: ActionKind
    partition: str
    outcome: Outcome
    seconds: float
    waited_seconds: float
    detail: str
    is_referred: bool
    """Whether it was put off because rows of another table refer to the partition."""

    is_scheduled: bool
    """Whether a worker did it because beat sent it."""

    worker: str

    @property
    def is_done(self) -> bool:
        """Whether it changed what it was to change."""
        return self.outcome is Outcome.DONE


class History:
    """Follows the records as they appear."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def follow(self) -> list[PartitionRun]:
        """Return the runs that were recorded since the last call."""
        newest = max(self._seen, default=0)
        runs = PartitionRun.objects.filter(pk__gt=newest - _OVERLAP).order_by("pk")
        fresh = [each for each in runs if each.pk not in self._seen]
        self._seen.update(each.pk for each in fresh)
        return fresh


def steps(runs: Iterable[PartitionRun]) -> Iterator[Step]:
    """Yield the actions of the runs, one after the other."""
    for run in runs:
        for action in run.actions:
            yield _step(run, action)


def all_steps() -> list[Step]:
    """Return every action since the database was made."""
    return list(steps(PartitionRun.objects.order_by("pk")))


def failures() -> list[str]:
    """Return why runs failed, a sentence for each."""
    runs = PartitionRun.objects.filter(outcome=Outcome.FAILED.value).order_by("pk")
    return [f"{each}: {_reason(each)}" for each in runs]


def _reason(run: PartitionRun) -> str:
    failed = (each for each in run.actions if each["outcome"] == Outcome.FAILED.value)
    return "; ".join(
        [*([run.message] if run.message else []), *(each["detail"] for each in failed)]
    )


def _step(run: PartitionRun, action: dict[str, Any]) -> Step:
    return Step(
        at=run.started_at,
        label=run.model_label,
        kind=ActionKind(action["action"]),
        partition=action["partition"],
        outcome=Outcome(action["outcome"]),
        seconds=action["seconds"],
        waited_seconds=action["waited_seconds"],
        detail=action["detail"],
        is_referred=action.get("code") == Code.STILL_REFERRED.value,
        is_scheduled=run.started_by.startswith(BEAT_PREFIX),
        worker=run.worker,
    )
