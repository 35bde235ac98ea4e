"""Status of partitioned tables: runway, sizes, and what is wrong with each.

Import it once Django's apps are ready. docs/status.md describes what comes back.
"""

from __future__ import annotations

from pg_timepart.constants import State
from pg_timepart.findings import Code, Finding, Severity
from pg_timepart.status.tables import status_of, statuses
from pg_timepart.status.types import Health, PartitionStatus, TableStatus

__all__ = [
    "Code",
    "Finding",
    "Health",
    "PartitionStatus",
    "Severity",
    "State",
    "TableStatus",
    "status_of",
    "statuses",
]
