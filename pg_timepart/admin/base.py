"""Base classes of the admins of configs and of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest

from pg_timepart.models import PartitionConfig, PartitionRun

if TYPE_CHECKING:
    ConfigBase = admin.ModelAdmin[PartitionConfig]
    RunBase = admin.ModelAdmin[PartitionRun]
else:
    ConfigBase = RunBase = admin.ModelAdmin

NUL = "\x00"
"""NUL, which no text in PostgreSQL can hold and the driver refuses as a parameter."""


class List(ChangeList):
    """A page of a list."""

    def get_filters(self, request: HttpRequest) -> Any:
        """Return the filters; a query string with NUL is refused as any other invalid filter."""
        if any(NUL in value for _, values in request.GET.lists() for value in values):
            raise IncorrectLookupParameters
        return super().get_filters(request)
