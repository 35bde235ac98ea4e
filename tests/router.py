"""The plugin of ``make router``: Django's documented router, with a replica that takes no writes.

https://docs.djangoproject.com/en/stable/topics/db/multi-db/#using-routers
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each test ask the replica too that may ask a database."""
    for item in items:
        marker = item.get_closest_marker("django_db")
        if marker is not None:
            databases = [*marker.kwargs.get("databases", ["default"]), "replica"]
            marks = pytest.mark.django_db(**{**marker.kwargs, "databases": databases})
            item.add_marker(marks, append=False)


@pytest.fixture(scope="session", autouse=True)
def no_replica_left(django_db_setup: None) -> Iterator[None]:
    """Leave the test database before it is dropped."""
    yield
    connections["replica"].close()
