from __future__ import annotations

from django.apps import AppConfig


class FoundryConfig(AppConfig):
    name = "tests.apps.foundry"
    label = "foundry"
    default_auto_field = "django.db.models.BigAutoField"
