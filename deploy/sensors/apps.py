"""The app's configuration."""

from __future__ import annotations

from django.apps import AppConfig


class SensorsConfig(AppConfig):
    """``deploy.sensors`` in INSTALLED_APPS."""

    name = "deploy.sensors"
