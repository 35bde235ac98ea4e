"""Everything through PgBouncer in transaction mode, with fewer server connections than clients."""

from __future__ import annotations
