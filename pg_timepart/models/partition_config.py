"""PartitionConfig: what an operator wants of one partitioned table."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from pg_timepart import conf
from pg_timepart.constants import PeriodType
from pg_timepart.errors import InvalidPolicy
from pg_timepart.models.base import OUTCOMES, OwnRow
from pg_timepart.models.fields import GraceField
from pg_timepart.partitions.periods import Period, unit_named
from pg_timepart.partitions.plan import Policy

MAX_PREMAKE = 1_000
MAX_GRACE = timedelta(days=36_525)


def default_fuse() -> int:
    """Return the fuse of a new config."""
    return conf.options().MAX_RETIRE_PER_PASS


class PartitionConfig(OwnRow):
    """What an operator wants of one partitioned table. One row a model."""

    model_label = models.CharField(
        _("model"), max_length=255, unique=True, help_text=_("The model, as app.model.")
    )
    period = models.CharField(
        _("period"),
        max_length=16,
        choices=PeriodType.choices,
        default=PeriodType.Month,
        help_text=_("Unit of one partition's size. A change holds for partitions made later."),
    )
    periods_per_partition = models.PositiveIntegerField(
        _("periods per partition"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(10_000)],
        help_text=_("How many of these units one partition spans: 15 minutes, 6 hours, 2 weeks."),
    )
    interval = models.PositiveIntegerField(
        _("interval"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("How many periods stay attached. Empty keeps all of them."),
    )
    premake = models.PositiveIntegerField(
        _("premake"),
        default=4,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_PREMAKE)],
        help_text=_("How many periods are ready ahead of the current one."),
    )
    attach_tablespace = models.CharField(
        _("tablespace while attached"),
        max_length=63,
        blank=True,
        default="",
        help_text=_("Where partitions live while attached. Empty follows the parent table."),
    )
    detach_tablespace = models.CharField(
        _("tablespace once detached"),
        max_length=63,
        blank=True,
        default="",
        help_text=_("Where a partition moves after it was detached. Empty leaves it in place."),
    )
    # Configs older than the field, and those that a worker of an older release makes,
    # keep what they had: hence the other value in the database.
    keep_foreign_keys = models.BooleanField(
        _("keep foreign keys once detached"),
        default=False,
        db_default=True,
        help_text=_(
            "Whether detached partitions keep their foreign keys, so that rows that they refer to"
            " cannot be deleted. An attach builds them again where they were dropped."
        ),
    )
    drop_after = GraceField(
        _("grace before drop"),
        null=True,
        blank=True,
        help_text=_("How long a detached partition is kept. Empty keeps it for ever."),
    )
    max_retire_per_pass = models.PositiveIntegerField(
        _("fuse"),
        default=default_fuse,
        validators=[MinValueValidator(1)],
        help_text=_("A pass that would detach more partitions than this detaches none."),
    )
    enabled = models.BooleanField(
        _("enabled"), default=True, help_text=_("Whether the schedule maintains this table.")
    )
    schedule_id = models.BigIntegerField(
        _("schedule"), null=True, editable=False, help_text=_("Row of the beat schedule.")
    )
    schedule_seconds = models.PositiveIntegerField(
        _("default schedule"),
        null=True,
        editable=False,
        help_text=_("Seconds between passes that follow from the period; a person may differ."),
    )
    is_schedule_paused = models.BooleanField(
        _("schedule paused"),
        default=False,
        editable=False,
        help_text=_("The schedule was switched off with this config, not by a person."),
    )
    last_checked_at = models.DateTimeField(_("last checked"), null=True, editable=False)
    last_run_at = models.DateTimeField(_("last run"), null=True, editable=False)
    last_outcome = models.CharField(
        _("last outcome"), max_length=16, choices=OUTCOMES, blank=True, editable=False
    )
    last_message = models.TextField(_("last message"), blank=True, editable=False)

    class Meta:
        verbose_name = _("partition config")
        verbose_name_plural = _("partition configs")
        ordering = ("model_label",)
        permissions = (
            ("operate_partitionconfig", "Can run operations on partitions, but not drop them"),
            ("drop_partitionconfig", "Can drop partitions"),
        )
        constraints = (
            models.CheckConstraint(
                name="pg_timepart_config_sane",
                condition=Q(periods_per_partition__gte=1)
                & Q(premake__gte=1)
                & Q(max_retire_per_pass__gte=1)
                & (Q(interval__isnull=True) | Q(interval__gte=1))
                & (Q(drop_after__isnull=True) | Q(drop_after__gte=timedelta(0))),
            ),
        )

    def __str__(self) -> str:
        return self.model_label

    def save(self, **options: Any) -> None:
        """Save the config; of an existing one only what people edit, or ``update_fields``.

        Runs and schedules write the other fields meanwhile. Raises DatabaseError where the row is
        gone.
        """
        is_whole = options.get("update_fields") is None and not options.get("force_insert")
        is_there = not self._state.adding and options.get("using") in {None, self._state.db}
        if is_whole and is_there and self.pk:
            options["update_fields"] = self._edited_names()
        super().save(**options)

    def clean(self) -> None:
        """Refuse what policy() would refuse, as an error of the form."""
        try:
            self.policy()
        except InvalidPolicy as error:
            raise ValidationError(str(error)) from error

    @property
    def model(self) -> type[models.Model]:
        """The partitioned model; raises LookupError where it is not installed."""
        return apps.get_model(self.model_label)

    def policy(self) -> Policy:
        """Return the policy, checked; raises InvalidPolicy with the field that is wrong."""
        _check_range("premake", self.premake, 1, MAX_PREMAKE)
        _check_range("max_retire_per_pass", self.max_retire_per_pass, 1, None)
        if self.interval is not None:
            _check_range("interval", self.interval, 1, None)
        if self.drop_after is not None:
            _check_grace(self.drop_after)
        return Policy(
            period=Period(unit_named(self.period), self.periods_per_partition),
            zone=conf.zone(),
            premake=self.premake,
            interval=self.interval,
            attach_tablespace=self.attach_tablespace or None,
            detach_tablespace=self.detach_tablespace or None,
            drop_after=self.drop_after,
            max_retire=self.max_retire_per_pass,
            keep_foreign_keys=self.keep_foreign_keys,
        )

    def _edited_names(self) -> list[str]:
        fields = [each for each in self._meta.local_concrete_fields if each.editable]
        skipped = {self._meta.pk.attname, *self.get_deferred_fields()}
        return [each.name for each in fields if each.attname not in skipped]


def _check_range(name: str, value: Any, least: int, most: int | None) -> None:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if is_whole and value >= least and (most is None or value <= most):
        return
    span = f"at least {least}" if most is None else f"{least} to {most}"
    raise InvalidPolicy(f"{name} must be a whole number, {span}; it is {value!r}.")


def _check_grace(value: Any) -> None:
    if not isinstance(value, timedelta):
        raise InvalidPolicy(
            f"drop_after must be a timedelta (empty keeps for ever), not {value!r}."
        )
    if not timedelta(0) <= value <= MAX_GRACE:
        raise InvalidPolicy(
            f"drop_after must not be negative, nor above {MAX_GRACE.days} days (empty keeps for"
            f" ever); it is {value}."
        )
