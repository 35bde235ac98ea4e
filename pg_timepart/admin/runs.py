"""The history of runs: read only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from pg_timepart.admin import words
from pg_timepart.admin.base import RunBase
from pg_timepart.admin.filters import ActionFilter
from pg_timepart.models import PartitionRun

LONGEST_MESSAGE = 120


@admin.register(PartitionRun)
class PartitionRunAdmin(RunBase):
    """What was done, when, by whom, and how it ended."""

    list_display = (
        "started_at",
        "model_label",
        "operation",
        "colored_outcome",
        "duration",
        "waited",
        "started_by",
        "short_message",
    )
    list_filter = (
        "outcome",
        "operation",
        ActionFilter,
        "started_at",
        ("model_label", admin.AllValuesFieldListFilter),
    )
    search_fields = ("model_label", "message", "task_id", "started_by")
    fields = (
        "model_label",
        "operation",
        "colored_outcome",
        "message",
        "started_at",
        "duration",
        "waited",
        "started_by",
        "worker",
        "task_id",
        "what_was_done",
    )
    readonly_fields = ("colored_outcome", "duration", "waited", "what_was_done")
    list_select_related = False
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    class Media:
        css = {"all": ("pg_timepart/timepart.css",)}

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Return False: runs are recorded, not written."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Return False: history stays as it was."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Return False: what is older than HISTORY_DAYS is pruned by itself."""
        return False

    @admin.display(description=_("outcome"), ordering="outcome")
    def colored_outcome(self, run: PartitionRun) -> SafeString:
        """Return the outcome, marked by its word and by a colour."""
        return outcome_badge(run.outcome)

    @admin.display(description=_("took"), ordering="seconds")
    def duration(self, run: PartitionRun) -> str:
        """Return how long it took, waiting included."""
        return words.seconds(run.seconds)

    @admin.display(description=_("waited for locks"), ordering="waited_seconds")
    def waited(self, run: PartitionRun) -> str:
        """Return how much of it was waiting."""
        return words.seconds(run.waited_seconds)

    @admin.display(description=_("message"))
    def short_message(self, run: PartitionRun) -> str:
        """Return the beginning of the message."""
        if len(run.message) <= LONGEST_MESSAGE:
            return run.message
        return f"{run.message[:LONGEST_MESSAGE]}…"

    @admin.display(description=_("actions"))
    def what_was_done(self, run: PartitionRun) -> SafeString:
        """Return the actions with their SQL as a table."""
        return actions_table(run)


def outcome_badge(outcome: str) -> SafeString:
    """Return an outcome as HTML."""
    return format_html('<span class="timepart-badge timepart-{0}">{0}</span>', outcome)


def actions_table(run: PartitionRun) -> SafeString:
    """Return what a run did as HTML."""
    return render_to_string("admin/pg_timepart/actions.html", {"actions": run.actions})
