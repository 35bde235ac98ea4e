"""The app's configuration."""

from __future__ import annotations

from django.apps import AppConfig


class TrafficConfig(AppConfig):
    """``deploy.traffic`` in INSTALLED_APPS."""

    name = "deploy.traffic"
