"""Status of labels without a decorated model."""

from __future__ import annotations

from pg_timepart.maintenance.unattended import Unattended
from pg_timepart.models import PartitionConfig
from pg_timepart.partitions.addresses import qualified
from pg_timepart.partitions.coverage import runs_out_at
from pg_timepart.status.records import config_facts
from pg_timepart.status.types import TableStatus, health_of


def status_of_unattended(found: Unattended) -> TableStatus:
    """Return the status of an unattended label, in the form that tables have."""
    config = found.config or PartitionConfig(model_label=found.label)
    moments = [runs_out_at(each, each.read_at) for each in found.tables]
    return TableStatus(
        label=found.label,
        table=", ".join(map(qualified, found.tables)) or "no table",
        alias=found.alias,
        health=health_of([found.finding]),
        problems=(found.finding,),
        read_at=None,
        runs_out_at=min((each for each in moments if each is not None), default=None),
        overdue_since=None,
        partitions=(),
        gaps=(),
        **config_facts(config),
    )
