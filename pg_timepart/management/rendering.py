"""Render statuses, previews and reports as lines of text for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta, tzinfo

from pg_timepart.constants import Outcome
from pg_timepart.maintenance.actions.handlers import HANDLERS
from pg_timepart.maintenance.preview import ActionPreview, Preview, StepPreview
from pg_timepart.maintenance.report import ActionResult, Report
from pg_timepart.status import PartitionStatus, TableStatus, formatting
from pg_timepart.text import printable

_HEADINGS = ("PARTITION", "BOUNDS", "STATE", "TABLESPACE", "SIZE", "ROWS", "NOTES")
_NUMBERS = (4, 5)


def status_lines(
    status: TableStatus, zone: tzinfo, *, with_literals: bool = False
) -> Iterator[str]:
    """Yield the status of one table in lines, with a table of its partitions.

    ``with_literals`` adds the bounds as values of the key, where moments do not say the same.
    """
    yield f"{status.label}: {status.health}"
    yield from (f"  ! {printable(str(each))}" for each in status.problems)
    yield from (f"  note: {printable(str(each))}" for each in status.notes)
    yield f"  {printable(status.table)} in the database {status.alias}: {_policy(status)}"
    if status.read_at is not None:
        yield f"  {_runway(status, zone)}; {_counts(status)}"
    yield f"  {_history(status, zone)}"
    yield from (f"  nothing covers {formatting.bounds(each, zone)}" for each in status.gaps)
    if status.partitions:
        yield ""
        yield from (f"  {line}" for line in partition_table(status.partitions, zone))
        if with_literals:
            yield from (f"  {line}" for line in _literal_lines(status.partitions))


def partition_table(partitions: Sequence[PartitionStatus], zone: tzinfo) -> list[str]:
    """Return the partitions in aligned columns."""
    rows = [_partition_row(each, zone) for each in partitions]
    return formatting.table(_HEADINGS, rows, right=_NUMBERS)


def _literal_lines(partitions: Sequence[PartitionStatus]) -> list[str]:
    rows = [
        (each.address, " .. ".join(formatting.literals(each.literals)))
        for each in partitions
        if each.literals
    ]
    return ["", *formatting.table(("PARTITION", "KEYS"), rows)] if rows else []


def preview_lines(preview: Preview, zone: tzinfo) -> Iterator[str]:
    """Yield the plan as a script for psql: everything but the SQL is a comment."""
    yield f"-- {preview.label}: {_count(preview)}"
    yield from (f"-- ! {printable(str(each))}" for each in preview.plan.problems)
    yield from (f"-- note: {printable(str(each))}" for each in preview.plan.notes)
    for each in preview.actions:
        yield ""
        yield from _action_lines(each, zone)


def report_lines(report: Report) -> Iterator[str]:
    """Yield the report of a run, a line for each action."""
    yield f"{report.label}: {report.outcome}"
    if report.message:
        yield f"  ! {printable(report.message)}"
    yield from (f"  ! {printable(str(each))}" for each in report.problems)
    yield from (f"  {_result(each)}" for each in report.actions)
    yield from (f"  repaired: {printable(str(each))}" for each in report.repairs)
    yield from (f"  note: {printable(str(each))}" for each in report.notes)


def _policy(status: TableStatus) -> str:
    kept = "all kept" if status.interval is None else f"{status.interval} kept"
    return f"{status.period} each, {kept}, {status.premake} ready ahead"


def _runway(status: TableStatus, zone: tzinfo) -> str:
    if status.runs_out_at is None or status.runway is None:
        return "room for new rows without end"
    until = formatting.moment(status.runs_out_at, zone)
    return f"room for new rows until {until}, for {formatting.duration(status.runway)}"


def _counts(status: TableStatus) -> str:
    return (
        f"{status.attached_count} attached, {status.detached_count} detached,"
        f" {formatting.size(status.total_bytes)}"
    )


def _history(status: TableStatus, zone: tzinfo) -> str:
    if status.last_checked_at is None:
        return "never checked"
    checked = f"last checked {formatting.minute(status.last_checked_at, zone)}"
    if status.last_run_at is None:
        return checked
    ran = formatting.minute(status.last_run_at, zone)
    return f"{checked}, last run {status.last_outcome} {ran}"


def _partition_row(partition: PartitionStatus, zone: tzinfo) -> tuple[str, ...]:
    estimate = partition.rows_estimate
    return (
        partition.address,
        formatting.bounds(partition.bounds, zone),
        partition.state.value,
        partition.tablespace,
        formatting.size(partition.size_bytes),
        "?" if estimate is None else f"~{estimate}",
        formatting.remarks(partition, zone),
    )


def _count(preview: Preview) -> str:
    count = len(preview.actions)
    if preview.plan.is_empty:
        return "nothing to do"
    return "1 action" if count == 1 else f"{count} actions"


def _action_lines(preview: ActionPreview, zone: tzinfo) -> Iterator[str]:
    action = preview.action
    bounds = f" ({formatting.bounds(action.bounds, zone)})" if action.bounds else ""
    what = f"{HANDLERS[action.kind].verb} {printable(action.partition)}{bounds}"
    yield f"-- {what}: {printable(action.reason)}"
    if preview.note:
        yield f"-- note: {printable(preview.note)}"
    for step in preview.steps:
        yield from _step_lines(step)


def _step_lines(step: StepPreview) -> Iterator[str]:
    yield f"-- {printable(step.summary)}{', alone' if step.is_alone else ''}"
    if step.locks:
        yield f"-- locks: {printable(', '.join(step.locks))}"
    yield from (f"{statement};" for statement in step.statements)


def _result(result: ActionResult) -> str:
    handler = HANDLERS[result.kind]
    name, detail = printable(result.partition), printable(result.detail)
    if result.outcome is Outcome.DEFERRED:
        return f"deferred, did not {handler.verb} {name}: {detail}"
    if result.outcome is Outcome.FAILED:
        return f"failed to {handler.verb} {name}: {detail}"
    took = formatting.duration(timedelta(seconds=result.seconds))
    waited = timedelta(seconds=result.waited_seconds)
    waiting = f", {formatting.duration(waited)} of it waiting for locks" if waited else ""
    return f"{handler.past} {name}, {took}{waiting}"
