"""The page of one config: its table above, its settings below, and what a change would do."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from pg_timepart.admin import drop_permission, permissions, schedule_display
from pg_timepart.admin.base import ConfigBase
from pg_timepart.admin.config_form import ConfigForm
from pg_timepart.admin.next_pass import next_pass
from pg_timepart.admin.overview import is_installed
from pg_timepart.admin.page_context import page_context, planned_actions
from pg_timepart.admin.schedule_form import ScheduleForm, form_for
from pg_timepart.beat import schedules
from pg_timepart.models import PartitionConfig

PREVIEWED = {
    "period",
    "periods_per_partition",
    "premake",
    "interval",
    "drop_after",
    "keep_foreign_keys",
    "max_retire_per_pass",
    "attach_tablespace",
    "detach_tablespace",
}
"""Settings whose change is previewed before it is saved, as the plan of the next pass."""

UNSENT = {"csrfmiddlewaretoken", "_confirmed"}


class ConfigPage(ConfigBase):
    """The pages of one config."""

    form = ConfigForm
    change_form_template = "admin/pg_timepart/partitionconfig/change_form.html"
    fieldsets = (
        (None, {"fields": ("model_label", "enabled")}),
        (
            "Partitions",
            {"fields": ("period", "periods_per_partition", "premake", "attach_tablespace")},
        ),
        (
            "Retention",
            {
                "fields": (
                    "interval",
                    "max_retire_per_pass",
                    "detach_tablespace",
                    "keep_foreign_keys",
                    "drop_after",
                )
            },
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        """Return the URLs of one config's forms, before Django's own."""
        view = self.admin_site.admin_view(require_POST(self.schedule_view))
        name = "pg_timepart_partitionconfig_schedule"
        return [path("<int:key>/schedule/", view, name=name), *super().get_urls()]

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Return the form of a config, which knows whether the user may drop."""
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.may_drop = permissions.may_drop(request)
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return the label, and for users who may not drop, the grace."""
        kept = () if permissions.may_drop(request) else ("drop_after",)
        return ("model_label", *kept) if obj else ()

    def save_model(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: PartitionConfig,
        form: ModelForm[Any],
        change: bool,  # noqa: ARG002
    ) -> None:
        """Save only changed fields: passes write to the same row."""
        obj.save(update_fields=form.changed_data or ["enabled"])

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: PartitionConfig | None = None,
    ) -> HttpResponse:
        """Add the table's state to the page of a config."""
        if obj is not None:
            stored = PartitionConfig.objects.get(pk=obj.pk)  # an invalid form has changed obj
            context.update(page_context(stored, request))
            context.update(schedule_context(context["overview"].entry, request))
        return super().render_change_form(request, context, add, change, form_url, obj)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a preview of a change, and save it when that was confirmed."""
        if request.method == "POST" and "_confirmed" not in request.POST:
            preview = self._preview(request, object_id)
            if preview is not None:
                return preview
        return super().change_view(request, object_id, form_url, extra_context)

    def schedule_view(self, request: HttpRequest, key: int) -> HttpResponseBase:
        """Change the beat entry of a config."""
        config = self.config_or_404(request, key)
        if not permissions.may_change(request):
            raise PermissionDenied
        entry = schedules.entry_of(config)
        if entry is None:
            self.message_user(request, "This config has no beat entry.", messages.ERROR)
            return to_page(config)
        form = ScheduleForm(request.POST, prefix="schedule")
        if not form.is_valid():
            tell_errors(request, form.errors.get_json_data())
        elif not permissions.may_drop(request) and form.takes_sooner(config, entry):
            messages.error(request, drop_permission.sentence("schedule"))
        elif form.apply(entry):
            words = f"The schedule is now: {schedule_display.in_words(entry)}."
            self.log_change(request, config, words)
            self.message_user(request, words, messages.SUCCESS)
        else:
            self.message_user(request, "The schedule is as it was.", messages.INFO)
        return to_page(config)

    def config_or_404(self, request: HttpRequest, key: int) -> PartitionConfig:
        """Return the config; raise PermissionDenied for who may not see it."""
        if not permissions.may_view(request):
            raise PermissionDenied
        config = self.get_object(request, str(key))
        if config is None:
            raise Http404
        return config

    def _preview(self, request: HttpRequest, object_id: str) -> HttpResponse | None:
        """Return the page with the preview of a change, or None where it needs none."""
        config = self.get_object(request, unquote(object_id))
        if config is None or not self.has_change_permission(request, config):
            return None
        form = self.get_form(request, config, change=True)(request.POST, instance=config)
        if not form.is_valid() or not PREVIEWED & set(form.changed_data):
            return None
        before = PartitionConfig.objects.get(pk=config.pk)
        plan = next_pass(config) if is_installed(config) else None
        if plan is None:
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": "What the change would do",
            "opts": self.opts,
            "media": self.media,
            "original": before,
            "changes": [_change(name, before, config) for name in form.changed_data],
            "plan": plan,
            "planned": planned_actions(plan),
            "hidden": [
                (name, value)
                for name, values in request.POST.lists()
                for value in values
                if name not in UNSENT
            ],
        }
        return TemplateResponse(request, "admin/pg_timepart/confirm_change.html", context)


def schedule_context(entry: Any, request: HttpRequest) -> dict[str, Any]:
    """Return the context of the template of the schedule."""
    may_change = permissions.may_change(request)
    return {
        "schedule_words": schedule_display.in_words(entry),
        "schedule_form": form_for(entry) if entry is not None and may_change else None,
    }


def to_page(config: PartitionConfig) -> HttpResponseRedirect:
    """Return a redirect to the config's page."""
    return HttpResponseRedirect(
        reverse("admin:pg_timepart_partitionconfig_change", args=(config.pk,))
    )


def tell_errors(request: HttpRequest, errors: dict[str, list[dict[str, str]]]) -> None:
    """Show the errors of a form as messages."""
    for name, found in errors.items():
        prefix = "" if name == "__all__" else f"{name.replace('_', ' ').capitalize()}: "
        for each in found:
            messages.error(request, f"{prefix}{each['message']}")


def _change(name: str, before: PartitionConfig, after: PartitionConfig) -> tuple[str, Any, Any]:
    label = PartitionConfig._meta.get_field(name).verbose_name  # type: ignore[union-attr]
    return (str(label), _said(before, name), _said(after, name))


def _said(config: PartitionConfig, name: str) -> str:
    value = getattr(config, name)
    return "(empty)" if value in (None, "") else str(value)
