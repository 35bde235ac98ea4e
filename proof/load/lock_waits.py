"""Lock waits: how long the application's statements wait for tables, as pg_locks has it."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db import connection

from proof.load.application import NAME
from proof.load.samples import Window

LONGEST = """
SELECT max(extract(epoch FROM pg_catalog.clock_timestamp() - l.waitstart))::float8
FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE NOT l.granted AND l.locktype = 'relation' AND a.application_name = %s
AND a.datname = pg_catalog.current_database()
"""


@dataclass(slots=True)
class LockWaits:
    """What was seen, look by look."""

    measurements: list[tuple[float, float]] = field(default_factory=list)
    """When, by ``time.monotonic``, and the longest wait at that moment in seconds."""

    def observe(self, now: float) -> None:
        """Look once."""
        with connection.cursor() as cursor:
            cursor.execute(LONGEST, [NAME])
            self.measurements.append((now, cursor.fetchone()[0] or 0.0))

    def within(self, window: Window) -> list[float]:
        """Return what the looks in this time have seen."""
        return [wait for at, wait in self.measurements if window.began <= at < window.ended]
