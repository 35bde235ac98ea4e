"""The checks of what keeps tables rotating once they are there."""

from __future__ import annotations

from django.apps import apps
from django.test import override_settings

from pg_timepart.checks import check_beat

ALL_APPS = [config.name for config in apps.get_app_configs()]


def test_w002_without_django_celery_beat() -> None:
    with override_settings(
        INSTALLED_APPS=[name for name in ALL_APPS if name != "django_celery_beat"]
    ):
        (warning,) = check_beat()
    assert warning.id == "pg_timepart.W002"
    assert "INSTALLED_APPS" in str(warning.hint)


def test_w003_without_the_database_scheduler() -> None:
    assert check_beat() == []
    with override_settings(CELERY_BEAT_SCHEDULER="celery.beat:PersistentScheduler"):
        (warning,) = check_beat()
    assert warning.id == "pg_timepart.W003"
    assert "DatabaseScheduler" in str(warning.hint)
