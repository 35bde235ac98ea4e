"""Models of the load proof: the tables that rotate, and the one that some refer to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models

from deploy import environment
from pg_timepart import TimeRangePartitioningSupport, uuid7
from proof.load.table_kinds import TableKind, kind_of

RANDOM_BITS = (1 << 80) - 1


class Account(models.Model):
    """What some of the tables refer to, and the application updates all the time."""

    visits = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"account {self.pk}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One partitioned table."""

    model: type[models.Model]
    kind: TableKind

    @property
    def label(self) -> str:
        """The model's label."""
        return self.model._meta.label_lower

    @property
    def name(self) -> str:
        """The name of the parent table."""
        return self.model._meta.db_table

    @property
    def rows(self) -> Any:
        """The model's default manager."""
        return self.model._default_manager

    def latest(self, since: datetime) -> Any:
        """Return the rows since this moment, the latest first, from their partitions alone."""
        if self.kind.is_by_id:
            return self.partitioning.during(since, None).order_by("-id")
        return self.rows.filter(at__gte=since).order_by("-at")

    def id_at(self, moment: datetime) -> UUID:
        """Return a new id with the time of this moment, for tables by id."""
        time: UUID = self.partitioning.key_at(moment)
        return UUID(int=time.int | uuid7().int & RANDOM_BITS)

    @property
    def partitioning(self) -> Any:
        """What can be asked of its partitions."""
        return self.model.partitioning  # type: ignore[attr-defined]


def _table(number: int) -> Table:
    kind = kind_of(number)
    name = f"T{number:02}"
    index = models.Index(fields=("at",), name=f"load_{name.lower()}_by_time")
    fields: dict[str, Any] = {
        "__module__": __name__,
        "at": models.DateTimeField(),
        "number": models.BigIntegerField(),
        "note": models.TextField(),
        "Meta": type("Meta", (), {"indexes": (index,)}),
    }
    if kind.has_account:
        fields["account"] = models.ForeignKey(Account, models.PROTECT, related_name="+")
    if kind.is_by_id:
        fields["id"] = models.UUIDField(primary_key=True, default=uuid7)
    scheduled = TimeRangePartitioningSupport(
        "id" if kind.is_by_id else "at",
        key_format="uuid7" if kind.is_by_id else None,
        default_period=kind.period,
        default_periods_per_partition=kind.size,
    )
    return Table(model=scheduled(type(name, (models.Model,), fields)), kind=kind)


TABLES = tuple(
    _table(number) for number in range(environment.whole_number("LOAD_TABLES", 16, least=1))
)
