"""Template context of the page of one config: state, timeline, partitions, next pass, runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from pg_timepart import conf
from pg_timepart.admin import formatting, permissions, schedule_display
from pg_timepart.admin.next_pass import Upcoming, next_pass
from pg_timepart.admin.operations import Button, buttons, key_of
from pg_timepart.admin.overview import Overview, overviews
from pg_timepart.admin.timeline import layout
from pg_timepart.admin.timeline.shapes import Drawing, Span
from pg_timepart.maintenance.actions.handlers import HANDLERS
from pg_timepart.models import PartitionConfig, PartitionRun
from pg_timepart.partitions.bounds import in_order
from pg_timepart.partitions.plan import Action
from pg_timepart.status import PartitionStatus, TableStatus

PARTITIONS_ON_A_PAGE = 100
LATEST_RUNS = 10
PAGE = "partitions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One partition in the table."""

    partition: PartitionStatus
    key: str
    bounds: str
    literals: tuple[str, ...]
    """Both bounds as values of the key; empty where the moments say the same."""

    size: str
    rows: str
    remarks: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAction:
    """One action of the next pass in words, with its steps if these were asked for."""

    words: str
    note: str
    steps: tuple[Any, ...]


def page_context(config: PartitionConfig, request: HttpRequest) -> dict[str, Any]:
    """Return the context of the templates of one config's page."""
    may_see_runs = permissions.may_see_runs(request)
    seen = overviews([config])[config.pk]
    if not may_see_runs:
        seen = seen.without_message()
    plan = next_pass(config) if seen.status else Upcoming()
    partitions = rows_of(seen, request)
    is_near = request.GET.get("view") == "near"
    return {
        "overview": seen,
        "facts": facts(config, seen),
        "drawing": drawing(seen, plan, is_near=is_near),
        "is_near": is_near,
        "has_more_than_near": bool(seen.status and len(seen.status.partitions) > layout.NEAR),
        "gaps": [formatting.bounds(each) for each in seen.status.gaps] if seen.status else [],
        "rows": partitions,
        "page_parameter": PAGE,
        "plan": plan,
        "planned": planned_actions(plan),
        "may_see_runs": may_see_runs,
        "runs": latest_runs(config) if may_see_runs else (),
        "zone": str(conf.zone()),
        **_grouped(buttons(config, request) if seen.status is not None else []),
    }


def _grouped(offered: list[Button]) -> dict[str, list[Button]]:
    """Return the buttons for the whole table, those without fields first, and for partitions."""
    whole = [each for each in offered if each.operation.selection is None]
    return {
        "table_buttons": sorted(whole, key=lambda each: bool(each.operation.form_fields)),
        "partition_buttons": [each for each in offered if each.operation.selection is not None],
    }


def latest_runs(config: PartitionConfig) -> QuerySet[PartitionRun]:
    """Return the runs that the page lists, the latest first."""
    return PartitionRun.objects.filter(model_label=config.model_label)[:LATEST_RUNS]


def facts(config: PartitionConfig, seen: Overview) -> dict[str, str]:
    """Return the first lines of the page."""
    status = seen.status
    if status is None:
        return {"Table": formatting.NOTHING}
    return {
        "Table": f"{status.table} in {status.alias}",
        "Runway": formatting.runway(status),
        "Partitions": f"{status.attached_count} attached, {status.detached_count} detached",
        "Size": formatting.size(status.total_bytes),
        "Schedule": schedule_display.in_words(seen.entry),
        "Next run": formatting.minute(schedule_display.next_run(seen.entry, timezone.now())),
        "Last checked": formatting.minute(config.last_checked_at),
    }


def drawing(seen: Overview, plan: Upcoming, *, is_near: bool) -> Drawing | None:
    """Return the timeline, whole or near now, or None where nothing could be read."""
    if seen.status is None or seen.status.read_at is None:
        return None
    spans = [*_present(seen.status), *_planned(plan)]
    view = layout.near if is_near else layout.whole
    return view(spans, seen.status.gaps, seen.status.read_at, plan.edge)


def _present(status: TableStatus) -> Iterator[Span]:
    for each in status.partitions:
        if each.bounds is not None:
            yield Span(
                kind=each.state.value,
                name=each.address,
                bounds=each.bounds,
                tablespace=each.tablespace,
                size_bytes=each.size_bytes,
                rows_estimate=each.rows_estimate,
            )


def _planned(plan: Upcoming) -> Iterator[Span]:
    for each in plan.actions:
        if each.is_new and each.bounds is not None:
            place = each.tablespace or ""
            yield Span(kind="planned", name=each.partition, bounds=each.bounds, tablespace=place)


def rows_of(seen: Overview, request: HttpRequest) -> Page[Row]:
    """Return one page of the partitions, the newest first."""
    found = list(reversed(_by_time(seen)))
    pages = Paginator(found, PARTITIONS_ON_A_PAGE)
    page: Page[Any] = pages.get_page(request.GET.get(PAGE))
    page.object_list = [_row(each) for each in page.object_list]
    return page


def planned_actions(plan: Upcoming) -> list[PlannedAction]:
    """Return the first actions in words with their steps."""
    return [
        PlannedAction(words=in_words(each.action), note=each.note, steps=each.steps)
        for each in plan.previews
    ]


def in_words(action: Action) -> str:
    """Return one action in words: what it does, to which partition, and why."""
    bounds = f" ({formatting.bounds(action.bounds)})" if action.bounds else ""
    handler = HANDLERS[action.kind]
    what = f"{handler.verb} {action.partition}{bounds}{handler.destination(action)}"
    return f"{what}: {action.reason}"


def _by_time(seen: Overview) -> list[PartitionStatus]:
    found = seen.status.partitions if seen.status else ()
    return sorted(found, key=lambda each: in_order(each.bounds))


def _row(partition: PartitionStatus) -> Row:
    return Row(
        partition=partition,
        key=key_of(partition),
        bounds=formatting.bounds(partition.bounds),
        literals=formatting.literals(partition.literals),
        size=formatting.size(partition.size_bytes),
        rows=formatting.rows(partition.rows_estimate),
        remarks=formatting.remarks(partition),
    )
