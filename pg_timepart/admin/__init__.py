"""The admin: configs with their partitions, schedules and operations, and the history of runs."""

from __future__ import annotations

from pg_timepart.admin.config_admin import PartitionConfigAdmin
from pg_timepart.admin.run_admin import PartitionRunAdmin

__all__ = ["PartitionConfigAdmin", "PartitionRunAdmin"]
