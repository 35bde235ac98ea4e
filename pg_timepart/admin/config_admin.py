"""The admin of PartitionConfig: the list of configs, and the page of each."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from pg_timepart.admin import formatting, permissions, schedule_display
from pg_timepart.admin.base import List
from pg_timepart.admin.config_operations import ConfigOperations
from pg_timepart.admin.filters import DatabaseFilter, HealthFilter
from pg_timepart.admin.overview import Overview, is_disputed, is_installed, overviews
from pg_timepart.admin.run_admin import outcome_badge
from pg_timepart.findings import sentences
from pg_timepart.maintenance.unattended import unattended
from pg_timepart.models import PartitionConfig
from pg_timepart.partitions.periods import period_in_words


class ConfigList(List):
    """A page of the list; the tables of its configs are read together."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the configs of the page, and the status of their tables."""
        super().get_results(request)
        configs, lost = list(self.result_list), unattended()
        for item in lost:
            if item.config is None and request.method == "GET":  # it has no line in the list
                messages.warning(request, item.sentence)
        found, may_see_runs = overviews(configs, lost), permissions.may_see_runs(request)
        for each in configs:
            seen = found[each.pk]
            each.__dict__["overview"] = seen if may_see_runs else seen.without_message()
        self.result_list = configs


@admin.register(PartitionConfig)
class PartitionConfigAdmin(ConfigOperations):
    """Every partitioned table: its health, its size, its schedule."""

    list_display = (
        "model_label",
        "health",
        "runway",
        "counts",
        "total_size",
        "last_run",
        "next_run",
        "schedule",
        "size_of_one",
        "retention",
        "oldest",
        "newest",
    )
    list_filter = (HealthFilter, "period", DatabaseFilter, "enabled")
    search_fields = ("model_label",)
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    class Media:
        css = {"all": ("pg_timepart/timepart.css",)}

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Return False: ``migrate`` makes the config of each decorated model."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether a config may be deleted: its model is gone, or another claims its table.

        Its pins and graces are deleted too, and a model that comes back begins with the decorator's
        defaults: where partitions are recorded, this takes the permission to drop.
        """
        if obj is None or not super().has_delete_permission(request, obj):
            return False
        if is_installed(obj) and not is_disputed(obj):
            return False
        return permissions.may_drop(request) or not obj.logs.exists()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[List]:  # noqa: ARG002
        """Return the class of the list, which reads all tables of a page together."""
        return ConfigList

    @admin.display(description=_("health"))
    def health(self, config: PartitionConfig) -> SafeString:
        """Return the health as a word with a colour, and what is wrong."""
        seen = _seen(config)
        return format_html(
            '<span class="timepart-badge timepart-{0}" title="{1}">{0}</span>',
            seen.health.value,
            sentences(seen.problems),
        )

    @admin.display(description=_("runway"))
    def runway(self, config: PartitionConfig) -> SafeString:
        """Return the time until the first INSERT would fail, in the colour of the health."""
        seen = _seen(config)
        text = formatting.runway(seen.status) if seen.status else formatting.NOTHING
        return format_html('<span class="timepart-text-{}">{}</span>', seen.health.value, text)

    @admin.display(description=_("period"), ordering="period")
    def size_of_one(self, config: PartitionConfig) -> str:
        """Return the size of one partition."""
        return period_in_words(config.period, config.periods_per_partition)

    @admin.display(description=_("newest attached until"))
    def newest(self, config: PartitionConfig) -> str:
        """Return where the newest attached partition ends."""
        attached = _seen(config).attached
        return formatting.moment(attached[-1].bounds.end) if attached else formatting.NOTHING  # type: ignore[union-attr]

    @admin.display(description=_("oldest attached from"))
    def oldest(self, config: PartitionConfig) -> str:
        """Return where the oldest attached partition starts."""
        attached = _seen(config).attached
        return formatting.moment(attached[0].bounds.start) if attached else formatting.NOTHING  # type: ignore[union-attr]

    @admin.display(description=_("attached / detached"))
    def counts(self, config: PartitionConfig) -> str:
        """Return how many partitions there are."""
        status = _seen(config).status
        if status is None:
            return formatting.NOTHING
        return f"{status.attached_count} / {status.detached_count}"

    @admin.display(description=_("total size"))
    def total_size(self, config: PartitionConfig) -> str:
        """Return the size of all partitions, detached ones included."""
        status = _seen(config).status
        return formatting.size(status.total_bytes) if status else formatting.NOTHING

    @admin.display(description=_("retention"), ordering="interval")
    def retention(self, config: PartitionConfig) -> str:
        """Return how long partitions stay."""
        return formatting.retention(
            config.period, config.periods_per_partition, config.interval, config.drop_after
        )

    @admin.display(description=_("schedule"))
    def schedule(self, config: PartitionConfig) -> str:
        """Return the schedule in words."""
        return schedule_display.in_words(_seen(config).entry)

    @admin.display(description=_("last run"), ordering="last_run_at")
    def last_run(self, config: PartitionConfig) -> SafeString | str:
        """Return when the last run with something to do began, and its outcome."""
        if config.last_run_at is None:
            return formatting.NOTHING
        when = formatting.minute(config.last_run_at)
        return format_html("{} {}", when, outcome_badge(config.last_outcome))

    @admin.display(description=_("next run"))
    def next_run(self, config: PartitionConfig) -> str:
        """Return about when beat sends the next pass."""
        return formatting.minute(_seen(config).next_run)


def _seen(config: PartitionConfig) -> Overview:
    seen: Overview = config.__dict__["overview"]
    return seen
