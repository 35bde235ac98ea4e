"""The admin of PartitionRun: the history of runs, read only, and the page that follows a task."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from pg_timepart.admin import formatting, permissions
from pg_timepart.admin.base import List, RunBase
from pg_timepart.admin.filters import ActionFilter
from pg_timepart.admin.operations import may_do_anything
from pg_timepart.admin.task_progress import Sent, progress_of, unsealed
from pg_timepart.models import PartitionConfig, PartitionRun

LONGEST_MESSAGE = 120


@admin.register(PartitionRun)
class PartitionRunAdmin(RunBase):
    """Runs: what was done, when, by whom, and the outcome."""

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

    def get_changelist(self, request: HttpRequest, **_kwargs: Any) -> type[List]:  # noqa: ARG002
        """Return the class of the list."""
        return List

    def get_urls(self) -> list[URLPattern]:
        """Return the URL that follows a task, before Django's own."""
        view = self.admin_site.admin_view(require_GET(self.follow_view))
        name = "pg_timepart_partitionrun_follow"
        return [path("task/<uuid:task_id>/", view, name=name), *super().get_urls()]

    def follow_view(self, request: HttpRequest, task_id: UUID) -> HttpResponseBase:
        """Show the progress of a task; the page reloads until it has ended.

        For users who may see runs, and for the one who sent it.
        """
        sent = unsealed(request.GET.get("sent", ""), str(task_id), str(request.user.pk))
        may_follow = may_do_anything(request)
        may_see_runs = self.has_view_permission(request)
        if not (may_see_runs or (sent is not None and may_follow)):
            raise PermissionDenied
        progress = progress_of(str(task_id), sent)
        label, operation = _named(progress.run, sent)
        config = PartitionConfig.objects.filter(model_label=label).first()
        context = {
            **self.admin_site.each_context(request),
            "title": "A run",
            "media": self.media,
            "progress": progress,
            "actions": actions_table(progress.run) if progress.run else "",
            "operation": operation,
            "model_label": label,
            "config": config if permissions.may_view(request) else None,
            "may_see_runs": may_see_runs,
            "task_id": task_id,
        }
        return TemplateResponse(request, "admin/pg_timepart/partitionrun/follow.html", context)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Return False: runs are recorded, not written."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Return False: runs are not changed."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Return False: runs older than HISTORY_DAYS are deleted by later runs."""
        return False

    @admin.display(description=_("outcome"), ordering="outcome")
    def colored_outcome(self, run: PartitionRun) -> SafeString:
        """Return the outcome, shown by its word and by a colour."""
        return outcome_badge(run.outcome)

    @admin.display(description=_("took"), ordering="seconds")
    def duration(self, run: PartitionRun) -> str:
        """Return how long the run took, waiting included."""
        return formatting.seconds(run.seconds)

    @admin.display(description=_("waited for locks"), ordering="waited_seconds")
    def waited(self, run: PartitionRun) -> str:
        """Return how long the run waited for locks."""
        return formatting.seconds(run.waited_seconds)

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
    return render_to_string("admin/pg_timepart/run_actions.html", {"actions": run.actions})


def _named(run: PartitionRun | None, sent: Sent | None) -> tuple[str, str]:
    """Return the model and the operation of a task, as far as they are known."""
    known = run or sent
    if isinstance(known, PartitionRun):
        return known.model_label, known.operation
    return (known.label, known.operation) if known else ("", "")
