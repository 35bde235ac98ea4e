"""Tables and lines of the report on one run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from bench.table import Table, milliseconds, ratio
from deploy.demo.history import Step
from proof.load.lock_waits import LockWaits
from proof.load.rotations import PARTS, Goal, Rotations, deferred
from proof.load.row_balance import Location
from proof.load.samples import WRITES, Sample, Window, percentile
from proof.load.verdict import Verdict

_P99 = 0.99
_SHOWN_REASONS = 8
_NAMES_AND_NUMBERS = re.compile(r"\bload_t\w+|\b\d+(\.\d+)?\b")


def latency_table(
    samples: Sequence[Sample], quiet: Sequence[Window], rotating: Window, waits: LockWaits
) -> Table:
    """Return how long each kind of statement took, while tables rotated and while none did."""
    kinds = sorted({each.kind for each in samples})
    still = [each for each in samples if any(window.has(each) for window in quiet)]
    busy = [each for each in samples if rotating.has(each)]
    waited = waits.within(rotating)
    return Table(
        title="How long a statement of the application took",
        headers=("", "number", "p99", "quiet p99", "worst", "quiet worst", "ratio"),
        rows=tuple(_latency_row(kind, busy, still) for kind in kinds),
        notes=(
            (
                f"Rotation went on for {rotating.seconds:.0f} s, and the quiet times took"
                f" {' and '.join(f'{each.seconds:.0f} s' for each in quiet)}."
                " The ratio is of the worst ones."
            ),
            (
                f"Rows written in a second: {_pace(busy, [rotating]):.0f}, and"
                f" {_pace(still, quiet):.0f} in the quiet times."
            ),
            (
                "The longest wait of the application for a lock on a table, as the server saw it in"
                f" {len(waited):,} measurements: {milliseconds(max(waited, default=0.0))};"
                f" quiet {milliseconds(max(_all(waits, quiet), default=0.0))}."
            ),
        ),
    )


def rotation_table(goals: Sequence[Goal], rotations: Rotations) -> Table:
    """Return what was done to each table on beat's schedule."""
    return Table(
        title="What the workers did on the beats' schedule, in partitions",
        headers=("", *PARTS),
        rows=(
            *(_rotation_row(goal, rotations.by_label.get(goal.label, {})) for goal in goals),
            ("all", *(f"{rotations.total[part]:,}" for part in PARTS)),
        ),
    )


def row_lines(verdict: Verdict) -> list[str]:
    """Return what became of the rows."""
    balance = verdict.balance
    return [
        f"Rows written and acknowledged {balance.written:11,}",
        *(
            f"  found {_PLACES[location]:<22} {balance.counts.get(location, 0):11,}"
            for location in Location
        ),
        (
            f"  lost {len(balance.lost)}, double {len(balance.doubled)},"
            f" not acknowledged and there {len(balance.unknown)}, refused {len(verdict.refused)}"
        ),
        (
            f"Statements of the application {len(verdict.samples):11,}, of which"
            f" {len(verdict.refused) + len(verdict.errors)} ended in an error"
        ),
    ]


def work_lines(verdict: Verdict, steps: Sequence[Step], retries: int, taken: int) -> list[str]:
    """Return who did how much, and what gave way to whom."""
    reasons = _reasons(deferred(steps))
    waited = sum(each.waited_seconds for each in steps)
    return [
        f"Done by      {_listed(verdict.by_worker)}",
        f"Sent by      {_listed(verdict.by_beat)}",
        (
            f"Gave way     {sum(reasons.values())} actions; tried again {retries} tasks;"
            f" {taken} passes met another one on their table"
        ),
        f"Waited       {waited:,.0f} s for others' locks and snapshots, from afar",
        *(f"  {count:4} {reason}" for reason, count in reasons.most_common(_SHOWN_REASONS)),
    ]


_PLACES = {
    Location.ATTACHED: "attached",
    Location.DETACHED: "detached, in place",
    Location.ARCHIVE: "detached, in archive",
    Location.DROPPED: "dropped after grace",
}


def _latency_row(kind: str, busy: Iterable[Sample], still: Iterable[Sample]) -> tuple[str, ...]:
    during = [each.seconds for each in busy if each.kind == kind]
    quiet = [each.seconds for each in still if each.kind == kind]
    worst, quiet_worst = max(during, default=0.0), max(quiet, default=0.0)
    figures = (percentile(during, _P99), percentile(quiet, _P99), worst, quiet_worst)
    return (kind, f"{len(during):,}", *map(milliseconds, figures), ratio(worst, quiet_worst))


def _rotation_row(goal: Goal, done: Mapping[str, int]) -> tuple[str, ...]:
    return (f"{goal.label}: {goal.kind}", *(f"{done.get(part, 0):,}" for part in PARTS))


def _pace(samples: Iterable[Sample], windows: Iterable[Window]) -> float:
    rows = sum(each.kind in WRITES and not each.error for each in samples)
    return rows / sum(each.seconds for each in windows)


def _all(waits: LockWaits, windows: Iterable[Window]) -> list[float]:
    return [wait for window in windows for wait in waits.within(window)]


def _reasons(steps: Iterable[Step]) -> Counter[str]:
    """Return how often which action gave way and why, without names and numbers."""
    return Counter(
        f"{each.kind.value}: {_NAMES_AND_NUMBERS.sub('...', each.detail)}" for each in steps
    )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
