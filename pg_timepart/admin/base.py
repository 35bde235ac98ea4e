"""What both admins are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from pg_timepart.models import PartitionConfig, PartitionRun

if TYPE_CHECKING:
    ConfigBase = admin.ModelAdmin[PartitionConfig]
    RunBase = admin.ModelAdmin[PartitionRun]
else:
    ConfigBase = RunBase = admin.ModelAdmin
