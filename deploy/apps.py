"""The project as an app, so that every process has its Celery application."""

from __future__ import annotations

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """``deploy`` in INSTALLED_APPS."""

    name = "deploy"
    verbose_name = "Deployment"

    def ready(self) -> None:
        """Make the Celery application the one that ``.delay()`` sends by."""
        from deploy.celery import app

        app.set_default()
