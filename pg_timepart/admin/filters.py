"""Filters of the lists of configs and of runs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from pg_timepart.admin.overview import labels_by_database, labels_by_health
from pg_timepart.constants import ActionKind
from pg_timepart.models import PartitionConfig, PartitionRun
from pg_timepart.status import Health

Choices = list[tuple[str, Any]]


class HealthFilter(admin.SimpleListFilter):
    """Configs by the health of their tables."""

    title = _("health")
    parameter_name = "health"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:  # noqa: ARG002
        """Return the words for each health, the worst first."""
        return [(each.value, each.value) for each in reversed(Health)]

    def queryset(
        self,
        request: HttpRequest,  # noqa: ARG002
        queryset: QuerySet[PartitionConfig],
    ) -> QuerySet[PartitionConfig]:
        """Return the configs of that health."""
        if self.value() not in list(Health):
            return queryset
        return queryset.filter(model_label__in=labels_by_health(Health(self.value() or "")))


class DatabaseFilter(admin.SimpleListFilter):
    """Configs by the database of their tables; none is offered where there is only one."""

    title = _("database")
    parameter_name = "database"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:  # noqa: ARG002
        """Return the aliases of the databases."""
        return [(alias, alias) for alias in settings.DATABASES] if _has_several() else []

    def queryset(
        self,
        request: HttpRequest,  # noqa: ARG002
        queryset: QuerySet[PartitionConfig],
    ) -> QuerySet[PartitionConfig]:
        """Return the configs of installed models with tables there."""
        alias = self.value()
        return queryset.filter(model_label__in=labels_by_database(alias)) if alias else queryset


class ActionFilter(admin.SimpleListFilter):
    """Runs by an action that they did."""

    title = _("action")
    parameter_name = "action_done"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:  # noqa: ARG002
        """Return the kinds of actions."""
        return [(each.value, each.value) for each in ActionKind]

    def queryset(
        self,
        request: HttpRequest,  # noqa: ARG002
        queryset: QuerySet[PartitionRun],
    ) -> QuerySet[PartitionRun]:
        """Return the runs with such an action."""
        kind = self.value()
        return queryset.filter(actions__contains=[{"action": kind}]) if kind else queryset


def _has_several() -> bool:
    return len(settings.DATABASES) > 1
