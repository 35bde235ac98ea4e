"""Send the task of an operation, from a button of a config's page or an action of the list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from pg_timepart import conf
from pg_timepart.admin import drop_permission, formatting, permissions
from pg_timepart.admin.config_page import ConfigPage, tell_errors, to_page
from pg_timepart.admin.operations import OperationForm, key_of, may_do_anything
from pg_timepart.admin.overview import is_installed, overviews
from pg_timepart.admin.send import NotSent, send
from pg_timepart.admin.task_progress import Sent, sealed
from pg_timepart.findings import sentences
from pg_timepart.maintenance.operation_registry import operations
from pg_timepart.maintenance.operation_registry.operation import Confirmation, Operation
from pg_timepart.models import PartitionConfig
from pg_timepart.status import PartitionStatus
from pg_timepart.tasks.operation_tasks import task_of

Configs = QuerySet[PartitionConfig]


class ConfigOperations(ConfigPage):
    """Sends the tasks of operations, for one config or for several."""

    def get_urls(self) -> list[URLPattern]:
        """Return the URL that all buttons post to, before Django's own."""
        view = self.admin_site.admin_view(require_POST(self.operate_view))
        name = "pg_timepart_partitionconfig_operate"
        return [path("<int:key>/operate/", view, name=name), *super().get_urls()]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the operations that run on many tables: configs are not deleted in bulk."""
        return {
            each.name: (partial(_send_all, each), each.name, each.many.list_action)
            for each in operations()
            if each.many is not None and permissions.may(request, each.permission)
        }

    def operate_view(self, request: HttpRequest, key: int) -> HttpResponseBase:
        """Send the task of a button, some after a confirmation."""
        config = self.config_or_404(request, key)
        if not may_do_anything(request):
            raise PermissionDenied
        form = self._form(config, request)
        if not form.is_valid():
            tell_errors(request, form.errors.get_json_data())
            return to_page(config)
        operation = form.asked_for
        if not permissions.may(request, operation.permission):
            raise PermissionDenied
        pin = form.cleaned_data.get("pinned_until")
        refused = _refused(request, config, operation, form.chosen, pin)
        if refused:
            messages.error(request, refused)
        elif operation.confirmation is not None and not form.is_confirmed:
            return self._confirm(request, config, form, operation.confirmation)
        else:
            self._send(request, config, form)
        return to_page(config)

    def _form(self, config: PartitionConfig, request: HttpRequest) -> OperationForm:
        seen = overviews([config])[config.pk]
        partitions = seen.status.partitions if seen.status else ()
        form = OperationForm(request.POST, config=config, partitions=partitions)
        with timezone.override(conf.zone()):  # the zone of the form's pin date
            form.full_clean()
        if seen.status is None:
            form.add_error(None, sentences(seen.problems))
        return form

    def _send(self, request: HttpRequest, config: PartitionConfig, form: OperationForm) -> None:
        link = self.launch(request, config, form.asked_for, form.message, form.started)
        if link is not None:
            messages.success(request, format_html("Sent: {}. {}", form.started, link))

    def launch(
        self,
        request: HttpRequest,
        config: PartitionConfig,
        operation: Operation,
        message: Sequence[Any],
        started: str,
    ) -> SafeString | None:
        """Send one task; return the link to its run, or None after saying why it was not sent."""
        since = timezone.now()
        try:
            # A custom user model may have names that are no text, which no message could carry.
            by = str(request.user.get_username())
            task_id = send(task_of(operation.name), message, by=by)
        except NotSent as error:
            messages.error(request, str(error))
            return None
        self.log_change(request, config, f"Started {started} (task {task_id}).")
        address = reverse("admin:pg_timepart_partitionrun_follow", args=(task_id,))
        sent = Sent(
            task_id=task_id,
            user=str(request.user.pk),
            label=config.model_label,
            operation=operation.name,
            since=since,
        )
        query = urlencode({"sent": sealed(sent)})
        return format_html('<a href="{}?{}">Follow the run</a>', address, query)

    def _confirm(
        self,
        request: HttpRequest,
        config: PartitionConfig,
        form: OperationForm,
        confirmation: Confirmation,
    ) -> HttpResponseBase:
        """Show the confirmation page, where a phrase must be typed."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"{form.asked_for.name.capitalize()} partitions",
            "opts": self.opts,
            "media": self.media,
            "original": config,
            "operation": form.asked_for,
            "confirmation": confirmation,
            "fields": [form[each.name] for each in form.asked_for.form_fields],
            "chosen": [_shown(each) for each in form.chosen],
            "total": formatting.size(sum(each.size_bytes or 0 for each in form.chosen)),
            "phrase": form.phrase,
            "is_mistyped": form.is_mistyped,
        }
        return TemplateResponse(request, "admin/pg_timepart/confirm_operation.html", context)


def _send_all(
    operation: Operation, admin: ConfigOperations, request: HttpRequest, queryset: Configs
) -> None:
    """Send one task for each config; stop at the first that the broker does not take."""
    links = []
    for config in queryset:
        if not is_installed(config):
            messages.error(request, f"No partitioned model {config} is installed.")
            continue
        refused = _refused(request, config, operation)
        if refused:
            messages.error(request, f"{config}: {refused}")
            continue
        message = operation.message(config.model_label, (), {})
        link = admin.launch(request, config, operation, message, operation.gerund)
        if link is None:
            break
        links.append((config, link))
    if links:
        each = format_html_join(", ", "{}: {}", links)
        messages.success(request, format_html("Sent for {}.", each))


def _refused(
    request: HttpRequest,
    config: PartitionConfig,
    operation: Operation,
    chosen: Sequence[PartitionStatus] = (),
    pin: datetime | None = None,
) -> str:
    """Return why the user may not do this, where passes would then drop a partition sooner."""
    if permissions.may_drop(request):
        return ""
    return drop_permission.refusal(operation.name, config, chosen, pin)


def _shown(partition: PartitionStatus) -> dict[str, str]:
    return {
        "key": key_of(partition),
        "name": partition.address,
        "bounds": formatting.bounds(partition.bounds),
        "size": formatting.size(partition.size_bytes),
        "rows": formatting.rows(partition.rows_estimate),
        "remarks": formatting.remarks(partition),
    }
