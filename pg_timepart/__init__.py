"""Django models as PostgreSQL tables range-partitioned by time."""

from __future__ import annotations

from pg_timepart.manager import TimeRangePartitioningSupport

__all__ = ["TimeRangePartitioningSupport"]
