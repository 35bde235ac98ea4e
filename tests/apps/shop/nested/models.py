"""A model that lives beside its application's models module."""

from __future__ import annotations

from django.db import models

from pg_timepart import TimeRangePartitioningSupport


@TimeRangePartitioningSupport("entered_at")
class Visit(models.Model):
    entered_at = models.DateTimeField()
    door = models.CharField(max_length=20)

    class Meta:
        app_label = "shop"
