"""The plugin of ``make router``: Django's documented router, with a replica that takes no writes.

https://docs.djangoproject.com/en/stable/topics/db/multi-db/#using-routers
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from django.test import SimpleTestCase

FIXTURES = {"db", "transactional_db"}
"""Of pytest-django: who asks for one may ask a database, without a mark."""


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
        case = getattr(item, "cls", None)
        if isinstance(case, type) and issubclass(case, SimpleTestCase):
            case.databases = {*case.databases, "replica"}
            continue
        marker = item.get_closest_marker("django_db")
        if marker is not None or FIXTURES & set(getattr(item, "fixturenames", ())):
            options = {} if marker is None else marker.kwargs
            databases = [*options.get("databases", ["default"]), "replica"]
            mark = pytest.mark.django_db(**{**options, "databases": databases})
            item.add_marker(mark, append=False)


@pytest.fixture(scope="session", autouse=True)
def no_replica_left(django_db_setup: None) -> Iterator[None]:
    """Leave the test database before it is dropped."""
    yield
    connections["replica"].close()
