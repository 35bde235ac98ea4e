"""Fixtures for tests of the rows of django-celery-beat."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django_celery_beat.models import IntervalSchedule
from pytest_django import DjangoDbBlocker

from pg_timepart.beat import schedules
from tests.support.beat_rows import tidy_up


@pytest.fixture(scope="module")
def entries(both_databases: None, django_db_blocker: DjangoDbBlocker) -> None:
    """An entry for every config; each test gives back what it took."""
    with django_db_blocker.unblock():
        schedules.sync_all()


@pytest.fixture
def synced_beat(entries: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The default database in autocommit, where every config has its entry."""
    with django_db_blocker.unblock():
        intervals = set(IntervalSchedule.objects.values_list("pk", flat=True))
        yield
        tidy_up(intervals)
