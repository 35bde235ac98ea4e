"""Formatting of steps, statuses and durations for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from deploy.demo.history import RETIRING, Step
from deploy.demo.write_counts import WriteCounts
from pg_timepart.constants import ActionKind
from pg_timepart.status import TableStatus

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_VERBS = dict.fromkeys(RETIRING, "retire")


def step_line(step: Step, archive: str | None) -> str:
    """Return what a worker did, on one line."""
    verb = _VERBS.get(step.kind, step.kind.value)
    where = f" to {archive}" if step.kind is ActionKind.MOVE and archive else ""
    took = f"{step.seconds * 1_000:.0f} ms"
    waited = f", {step.waited_seconds * 1_000:.0f} ms of it waiting" if step.waited_seconds else ""
    ending = "" if step.is_done else f"  {step.outcome.value}: {step.detail}"
    who = "beat" if step.is_scheduled else "hand"
    return (
        f"{step.at:%H:%M:%S}  {who}  {step.label:<16}  {verb:<6}  {step.partition}{where}"
        f"  ({took}{waited}){ending}"
    )


def status_block(
    seconds: float, counts: WriteCounts, rows_per_second: float, statuses: Sequence[TableStatus]
) -> list[str]:
    """Return how things are, a line for the application and one for each table."""
    head = (
        f"  {duration(timedelta(seconds=seconds))}: {rows_per_second:,.0f} rows/s,"
        f" {counts.written:,} written, {counts.refused} refused,"
        f" worst INSERT {counts.worst_ms:.1f} ms"
    )
    return [head, *(_table_line(each) for each in statuses)]


def duration(length: timedelta) -> str:
    """Return the two greatest units, such as ``3 min 20 s``."""
    left = max(int(length.total_seconds()), 0)
    parts: list[str] = []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def _table_line(status: TableStatus) -> str:
    room = "for ever" if status.runway is None else duration(status.runway)
    trouble = f"  {status.problems[0]}" if status.problems else ""
    return (
        f"    {status.label:<16}  {status.attached_count:3} attached  {status.detached_count:3}"
        f" retired  room for {room}{trouble}"
    )
