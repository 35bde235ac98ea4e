"""The buttons of a config's page and the actions of the list: each sends a task."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from pg_timepart import conf
from pg_timepart.admin import drop_permission, formatting, permissions
from pg_timepart.admin.config_form import known_tablespaces
from pg_timepart.admin.config_page import ConfigDetail, tell_errors, to_page
from pg_timepart.admin.operations import OPERATIONS, OperationForm, in_words, key_of, phrase_for
from pg_timepart.admin.overview import is_installed, overviews
from pg_timepart.admin.send import NotSent, send
from pg_timepart.admin.task_progress import Sent, sealed
from pg_timepart.beat import schedules
from pg_timepart.findings import sentences
from pg_timepart.models import PartitionConfig
from pg_timepart.status import PartitionStatus

Configs = QuerySet[PartitionConfig]


class ConfigLaunching(ConfigDetail):
    """Whatever starts something."""

    actions = ("run_now", "reconcile_rows")

    def get_urls(self) -> list[URLPattern]:
        """Return the address that all buttons post to before the others."""
        view = self.admin_site.admin_view(require_POST(self.operate_view))
        name = "pg_timepart_partitionconfig_operate"
        return [path("<int:key>/operate/", view, name=name), *super().get_urls()]

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may run operations; Django asks for the list's actions."""
        return permissions.may_operate(request)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return our actions alone: configs are not deleted in bulk."""
        found = super().get_actions(request)
        return {name: each for name, each in found.items() if name != "delete_selected"}

    @admin.action(description=_("Run a pass now"), permissions=["operate"])
    def run_now(self, request: HttpRequest, queryset: Configs) -> None:
        """Send one pass for each selected config."""
        self._send_all(request, queryset, "maintain")

    @admin.action(description=_("Reconcile rows with the catalog"), permissions=["operate"])
    def reconcile_rows(self, request: HttpRequest, queryset: Configs) -> None:
        """Send one reconciliation for each selected config."""
        self._send_all(request, queryset, "reconcile")

    def operate_view(self, request: HttpRequest, key: int) -> HttpResponseBase:
        """Send what a button asks for; a drop asks back first."""
        config = self.config_or_404(request, key)
        if not permissions.may_operate(request) and not permissions.may_drop(request):
            raise PermissionDenied
        form = self._form(config, request)
        if not form.is_valid():
            tell_errors(request, form.errors.get_json_data())
            return to_page(config)
        name = form.cleaned_data["operation"]
        if not OPERATIONS[name].is_allowed(request):
            raise PermissionDenied
        pin = form.cleaned_data["pinned_until"]
        refused = _refused(request, config, name, form.chosen, pin)
        if refused:
            messages.error(request, refused)
            return to_page(config)
        if name == "drop" and not form.is_confirmed:
            return self._confirm_drop(request, config, form)
        self._send(request, config, form)
        return to_page(config)

    def _form(self, config: PartitionConfig, request: HttpRequest) -> OperationForm:
        seen = overviews([config])[config.pk]
        status = seen.status
        form = OperationForm(
            request.POST,
            label=str(config),
            partitions=status.partitions if status else (),
            tablespaces=known_tablespaces(config) or (),
        )
        with timezone.override(conf.zone()):  # in which a pin date is meant
            form.full_clean()
        if status is None:
            form.add_error(None, sentences(seen.problems))
        return form

    def _send(self, request: HttpRequest, config: PartitionConfig, form: OperationForm) -> None:
        operation = OPERATIONS[form.cleaned_data["operation"]]
        arguments = operation.arguments(form.cleaned_data)
        chosen = form.chosen if operation.states else []
        started = in_words(form.cleaned_data["operation"], chosen)
        link = self._launch(request, config, form.cleaned_data["operation"], arguments, started)
        if link is not None:
            messages.success(request, format_html("Sent: {}. {}", started, link))

    def _send_all(self, request: HttpRequest, queryset: Configs, name: str) -> None:
        """Send one task for each config; stop at the first that the broker does not take."""
        links = []
        for config in queryset:
            if not is_installed(config):
                messages.error(request, f"No partitioned model {config} is installed.")
                continue
            refused = _refused(request, config, name)
            if refused:
                messages.error(request, f"{config}: {refused}")
                continue
            link = self._launch(request, config, name, (), OPERATIONS[name].words)
            if link is None:
                break
            links.append((config, link))
        if links:
            each = format_html_join(", ", "{}: {}", links)
            messages.success(request, format_html("Sent for {}.", each))

    def _launch(
        self, request: HttpRequest, config: PartitionConfig, name: str, arguments: Any, started: str
    ) -> SafeString | None:
        """Send one task; return the link to its run, or None after saying why it was not sent."""
        since = timezone.now()
        label = config.model_label
        try:
            # A custom user model may have names that are no text, which no message could carry.
            by = str(request.user.get_username())
            task_id = send(OPERATIONS[name].task, (label, *arguments), by=by)
        except NotSent as error:
            messages.error(request, str(error))
            return None
        self.log_change(request, config, f"Started {started} (task {task_id}).")
        address = reverse("admin:pg_timepart_partitionrun_follow", args=(task_id,))
        sent = Sent(
            task_id=task_id,
            user=str(request.user.pk),
            label=label,
            operation=name,
            since=since,
        )
        query = urlencode({"sent": sealed(sent)})
        return format_html('<a href="{}?{}">Follow the run</a>', address, query)

    def _confirm_drop(
        self, request: HttpRequest, config: PartitionConfig, form: OperationForm
    ) -> HttpResponseBase:
        """Ask to type what is on the page before anything is dropped."""
        context = {
            **self.admin_site.each_context(request),
            "title": "Drop partitions for ever",
            "opts": self.opts,
            "media": self.media,
            "original": config,
            "chosen": [_shown(each) for each in form.chosen],
            "total": formatting.size(sum(each.size_bytes or 0 for each in form.chosen)),
            "phrase": phrase_for(str(config), form.chosen),
            "is_mistyped": form.is_mistyped,
        }
        return TemplateResponse(request, "admin/pg_timepart/confirm_drop.html", context)


def _refused(
    request: HttpRequest,
    config: PartitionConfig,
    name: str,
    chosen: Sequence[PartitionStatus] = (),
    pin: datetime | None = None,
) -> str:
    """Return why the user may not do this, where passes would then drop something sooner."""
    if permissions.may_drop(request):
        return ""
    if name == "maintain" and drop_permission.terms_of(config).drops and _is_off(config):
        return drop_permission.sentence("pass")
    if name == "detach" and (early := drop_permission.detached_early(config, chosen)):
        return f"{', '.join(each.address for each in early)}: {drop_permission.sentence('detach')}"
    if name == "attach" and (early := drop_permission.unpinned_early(config, chosen, pin)):
        return f"{', '.join(each.address for each in early)}: {drop_permission.sentence('attach')}"
    return ""


def _is_off(config: PartitionConfig) -> bool:
    """Return whether the schedule runs no passes."""
    entry = schedules.entry_of(config)
    return not config.enabled or (entry is not None and not entry.enabled)


def _shown(partition: PartitionStatus) -> dict[str, str]:
    return {
        "key": key_of(partition),
        "name": partition.address,
        "bounds": formatting.bounds(partition.bounds),
        "size": formatting.size(partition.size_bytes),
        "rows": formatting.rows(partition.rows_estimate),
        "remarks": formatting.remarks(partition),
    }
