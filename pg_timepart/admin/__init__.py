"""Django's admin: every partition seen, every schedule changed, anything run."""

from __future__ import annotations

from pg_timepart.admin.configs import PartitionConfigAdmin
from pg_timepart.admin.runs import PartitionRunAdmin

__all__ = ["PartitionConfigAdmin", "PartitionRunAdmin"]
