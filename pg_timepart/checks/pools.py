"""W014: a run needs three connections at once while it detaches concurrently."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core import checks
from django.db import connections, router

from pg_timepart import conf
from pg_timepart.schema.registry import registry

NEEDED = 3
DEFAULT_MIN_SIZE = 4
"""Default pool size of psycopg_pool; its max_size defaults to its min_size."""


def check_pools(**_: Any) -> list[checks.CheckMessage]:
    """Return a warning for each database whose connection pool in this process is too small."""
    if conf.problems():
        return []
    return [
        checks.Warning(
            f"The connection pool of the database {alias!r} holds fewer than {NEEDED} connections,"
            " and whatever maintains a table needs so many at once: one has the advisory lock, one"
            " works, and one watches a concurrent detach.",
            hint=f"Set max_size in DATABASES[{alias!r}]['OPTIONS']['pool'] to {NEEDED} or more.",
            id="pg_timepart.W014",
        )
        for alias in sorted(set(_aliases()))
        if _pool_size(connections[alias].settings_dict) < NEEDED
    ]


def _aliases() -> Iterator[str]:
    """Yield the databases that maintain tables."""
    for model in registry():
        yield conf.maintenance_alias(router.db_for_write(model))


def _pool_size(settings: dict[str, Any]) -> float:
    pool = settings.get("OPTIONS", {}).get("pool")
    if not isinstance(pool, dict):
        return float("inf") if not pool else DEFAULT_MIN_SIZE
    return float(pool.get("max_size") or pool.get("min_size", DEFAULT_MIN_SIZE))
