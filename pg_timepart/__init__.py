"""Django models as PostgreSQL tables range-partitioned by time."""

from __future__ import annotations

import sys
from uuid import UUID

from pg_timepart.manager import TimeRangePartitioningSupport
from pg_timepart.partitions.key_formats.snowflakes import Snowflake
from pg_timepart.partitions.key_formats.uuid7 import Uuid7

if sys.version_info >= (3, 14):
    from uuid import uuid7 as _generate
else:
    from uuid_utils.compat import uuid7 as _generate

__all__ = ["Snowflake", "TimeRangePartitioningSupport", "Uuid7", "uuid7"]


def uuid7() -> UUID:
    """Return a new version 7 UUID: ``UUIDField(primary_key=True, default=pg_timepart.uuid7)``.

    Python's own generator makes it from 3.14 on, and before that the one of uuid-utils. Of two that
    one thread makes the second is greater, also within one millisecond and after the clock was set
    back; neither promises it of several threads or processes. Migrations name this function, so
    that they are the same on every Python.
    """
    return _generate()
