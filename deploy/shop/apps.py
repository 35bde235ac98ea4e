"""The app's configuration."""

from __future__ import annotations

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """``deploy.shop`` in INSTALLED_APPS."""

    name = "deploy.shop"
