"""PartitionRun: the record of one run that did something, was deferred or failed."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from pg_timepart.models.base import OUTCOMES, OwnRow
from pg_timepart.models.partition_config import PartitionConfig


class PartitionRun(OwnRow):
    """The record of one run that did something, was deferred or failed."""

    config = models.ForeignKey(
        PartitionConfig,
        on_delete=models.SET_NULL,
        null=True,
        related_name="runs",
        verbose_name=_("config"),
    )
    model_label = models.CharField(_("model"), max_length=255)
    operation = models.CharField(_("operation"), max_length=32)
    outcome = models.CharField(_("outcome"), max_length=16, choices=OUTCOMES)
    message = models.TextField(_("message"), blank=True)
    started_at = models.DateTimeField(_("started at"), db_index=True)
    seconds = models.FloatField(_("seconds"))
    waited_seconds = models.FloatField(_("seconds waited for locks"), default=0.0)
    started_by = models.CharField(_("started by"), max_length=255, blank=True)
    worker = models.CharField(_("worker"), max_length=255, blank=True)
    task_id = models.CharField(_("task"), max_length=255, blank=True)
    actions = models.JSONField(_("actions"), default=list)

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        ordering = ("-started_at", "-pk")
        indexes = (
            models.Index(fields=("model_label", "-started_at"), name="pg_timepart_run_by_model"),
        )

    def __str__(self) -> str:
        return f"{self.operation} {self.model_label}: {self.outcome}"
