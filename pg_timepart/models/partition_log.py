"""PartitionLog: the record of one partition, attached or detached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from pg_timepart.constants import ActionKind
from pg_timepart.models.base import OwnRow, OwnRows
from pg_timepart.models.fields import AS_BEGINNING, AS_NULL, MomentField
from pg_timepart.models.partition_config import PartitionConfig
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.plan import Known
from pg_timepart.partitions.tables import Relation

if TYPE_CHECKING:
    from datetime import datetime

RECORDED = (
    ActionKind.FINALIZE,
    ActionKind.CREATE,
    ActionKind.DETACH,
    ActionKind.ATTACH,
    ActionKind.MOVE,
    ActionKind.DROP,
    ActionKind.TRUNCATE,
)
"""Actions that a log can have as unfinished; of others, only the catalog tells."""


class PartitionLogQuerySet(OwnRows["PartitionLog"]):
    """Partition logs."""

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
        choices=[(each.value, each.value) for each in RECORDED],
        help_text=_("An operation that began and has not ended; the next pass ends it."),
    )
    is_asked = models.BooleanField(
        _("asked for"),
        default=False,
        db_default=False,
        help_text=_("A person asked for what is unfinished; else the config decides anew."),
    )
    wanted_tablespace = models.CharField(_("wanted tablespace"), max_length=63, blank=True)

    still_referred = models.TextField(
        _("still referred to"),
        blank=True,
        db_default="",
        default="",
        help_text=_("What refers to its rows, so that the last pass could not detach it."),
    )

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
        """Return the facts of this log for a planner."""
        return Known(
            oid=self.relid,
            bounds=self.bounds,
            is_attached=self.is_attached,
            pinned_until=self.detach_time,
            detached_at=self.detached_at,
            unfinished=ActionKind(self.unfinished) if self.unfinished else None,
            is_asked=self.is_asked,
            tablespace=self.wanted_tablespace or None,
            is_referred=bool(self.still_referred),
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
