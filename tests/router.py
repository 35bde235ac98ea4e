"""The router of ``make router``: Django's documented one, with a replica that takes no writes.

https://docs.djangoproject.com/en/stable/topics/db/multi-db/#using-routers
"""

from __future__ import annotations

from typing import Any

from django.db import connections


class PrimaryReplicaRouter:
    """Reads come from the replica; inside a transaction, which it does not see, from the primary.

    Our own rows never ask: whoever reads them here, reads them from the replica.
    """

    def db_for_read(self, model: Any, **hints: Any) -> str:
        is_ours = model._meta.app_label == "pg_timepart"
        if connections["default"].in_atomic_block and not is_ours:
            return "default"
        return "replica"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "default"

    def allow_relation(self, obj1: Any, obj2: Any, **hints: Any) -> bool:
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return True
