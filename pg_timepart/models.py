"""Facts: what an operator wants, what was done, and what the catalog cannot know.

Saving and deleting rows in bulk runs no DDL. The methods of PartitionLog do, by way of the
model's ``partitioning`` manager.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from pg_timepart import conf
from pg_timepart.constants import ActionKind, Outcome, PeriodType
from pg_timepart.errors import InvalidPolicy
from pg_timepart.fields import AS_BEGINNING, AS_NULL, GraceField, MomentField
from pg_timepart.periods import Bounds, Period
from pg_timepart.plans import Known, Policy
from pg_timepart.relations import Relation

if TYPE_CHECKING:
    from datetime import datetime

Row = TypeVar("Row", bound=models.Model)

MAX_PREMAKE = 1_000
MAX_NAME_BYTES = 63
MAX_GRACE = timedelta(days=36_525)

UNRECORDED = {ActionKind.RELEASE, ActionKind.UNLINK}
"""What is never unfinished in our rows, since the catalog shows it."""

OUTCOMES = [(each.value, each.value) for each in Outcome]


def default_fuse() -> int:
    """Return the fuse of a new config."""
    return conf.options().MAX_RETIRE_PER_PASS


class OwnRows(models.QuerySet[Row]):
    """Our rows where they are written, whatever database the routers read other models from.

    A replica lags behind, and what these rows say decides. ``using()`` asks another database.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._for_write = True


class OwnRow(models.Model):
    """A row of ours. What leads to one, such as ``log.config``, asks where it is written too."""

    objects: ClassVar[Any] = OwnRows.as_manager()

    class Meta:
        abstract = True
        base_manager_name = "objects"


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
    # Configs that were there before the field, and those that a worker of an older release makes,
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
        """Save the row; of one that is there, only what people edit, unless ``update_fields`` says.

        Runs and schedules write the rest meanwhile. Raises DatabaseError where the row is gone.
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
        """Return what is wanted, checked; raises InvalidPolicy with the field that is wrong."""
        _check_range("premake", self.premake, 1, MAX_PREMAKE)
        _check_range("max_retire_per_pass", self.max_retire_per_pass, 1, None)
        if self.interval is not None:
            _check_range("interval", self.interval, 1, None)
        if self.drop_after is not None:
            _check_grace(self.drop_after)
        return Policy(
            period=Period(_unit(self.period), self.periods_per_partition),
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


class PartitionLogQuerySet(OwnRows["PartitionLog"]):
    """Rows about partitions."""

    def newest_first(self) -> PartitionLogQuerySet:
        """Order by the end, without an end first."""
        return self.order_by(F("end").desc(nulls_first=True), "-pk")


class PartitionLog(OwnRow):
    """One partition, attached or detached, and what the catalog cannot know of it."""

    config = models.ForeignKey(
        PartitionConfig, on_delete=models.CASCADE, related_name="logs", verbose_name=_("config")
    )
    relid = models.BigIntegerField(_("OID"), help_text=_("OID of the table in the catalog."))
    schema_name = models.CharField(_("schema"), max_length=63)
    table_name = models.CharField(_("table"), max_length=63)
    start = MomentField(
        _("start"),
        early=AS_NULL,
        null=True,
        help_text=_("First moment inside. Empty: from the beginning."),
    )
    end = MomentField(
        _("end"),
        early=AS_BEGINNING,
        late=AS_NULL,
        null=True,
        help_text=_("First moment after. Empty: without end."),
    )
    is_attached = models.BooleanField(_("attached"), default=True)
    detach_time = MomentField(
        _("pinned until"), null=True, blank=True, help_text=_("Not retired before this moment.")
    )
    detached_at = MomentField(_("detached at"), null=True, blank=True)
    unfinished = models.CharField(
        _("unfinished"),
        max_length=16,
        blank=True,
        choices=[(each.value, each.value) for each in ActionKind if each not in UNRECORDED],
        help_text=_("An operation that began and has not ended; the next pass ends it."),
    )
    is_asked = models.BooleanField(
        _("asked for"),
        default=False,
        db_default=False,
        help_text=_("A person asked for what is unfinished; else the config decides anew."),
    )
    wanted_tablespace = models.CharField(_("wanted tablespace"), max_length=63, blank=True)

    objects: ClassVar[models.Manager[PartitionLog]] = PartitionLogQuerySet.as_manager()

    class Meta:
        verbose_name = _("partition")
        verbose_name_plural = _("partitions")
        ordering = ("config", "start", "pk")
        constraints = (
            models.UniqueConstraint(fields=("config", "relid"), name="pg_timepart_log_once"),
        )

    def __str__(self) -> str:
        return self.table_name

    @property
    def bounds(self) -> Bounds:
        """The range ``[start, end)``; empty in a row that somebody made end before it starts."""
        start, end = self.start, self.end
        is_backwards = start is not None and end is not None and end < start
        return Bounds(start=start, end=start if is_backwards else end)

    @property
    def relation(self) -> Relation:
        """The table, as it was when the row was last in step with the catalog."""
        return Relation(oid=self.relid, schema=self.schema_name, name=self.table_name)

    def known(self) -> Known:
        """Return what planning needs to know of this row."""
        return Known(
            oid=self.relid,
            bounds=self.bounds,
            is_attached=self.is_attached,
            pinned_until=self.detach_time,
            detached_at=self.detached_at,
            unfinished=ActionKind(self.unfinished) if self.unfinished else None,
            is_asked=self.is_asked,
            tablespace=self.wanted_tablespace or None,
        )

    def attach(self, detach_time: datetime | None = None) -> Any:
        """Attach this partition; see ``Model.partitioning.attach_partition``."""
        return self._partitioning.attach_partition(self, detach_time=detach_time)

    def detach(self, *, concurrently: bool = True) -> Any:
        """Detach this partition; see ``Model.partitioning.detach_partition``."""
        return self._partitioning.detach_partition(self, concurrently=concurrently)

    def set_tablespace(self, name: str) -> Any:
        """Move the table and its indexes; see ``Model.partitioning.move_partition``."""
        return self._partitioning.move_partition(self, name)

    def truncate(self) -> Any:
        """Empty the table; see ``Model.partitioning.truncate_partition``."""
        return self._partitioning.truncate_partition(self)

    def delete(self, *_args: Any, **_kwargs: Any) -> tuple[int, dict[str, int]]:
        """Drop the table, which must be detached, and this row.

        See ``Model.partitioning.delete_partition``. ``QuerySet.delete()`` removes rows alone.
        """
        self._partitioning.delete_partition(self)
        return 1, {self._meta.label: 1}

    @property
    def _partitioning(self) -> Any:
        return self.config.model.partitioning  # type: ignore[attr-defined]


class PartitionRun(OwnRow):
    """One run that did something, gave way or failed."""

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


def _unit(period: str) -> PeriodType:
    if period not in PeriodType.values:
        known = ", ".join(PeriodType.values)
        raise InvalidPolicy(f"There is no period {period!r}. Known: {known}.")
    return PeriodType(period)
