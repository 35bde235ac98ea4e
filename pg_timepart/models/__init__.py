"""Models: PartitionConfig (intent), PartitionLog (partitions) and PartitionRun (history).

Saving and deleting in bulk runs no DDL. The methods of PartitionLog do, by way of the model's
``partitioning`` manager.
"""

from __future__ import annotations

from pg_timepart.models.partition_config import MAX_PREMAKE, PartitionConfig, default_fuse
from pg_timepart.models.partition_log import PartitionLog, PartitionLogQuerySet
from pg_timepart.models.partition_run import PartitionRun

__all__ = [
    "MAX_PREMAKE",
    "PartitionConfig",
    "PartitionLog",
    "PartitionLogQuerySet",
    "PartitionRun",
    "default_fuse",
]
