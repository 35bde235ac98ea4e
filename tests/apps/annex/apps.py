from __future__ import annotations

from django.apps import AppConfig


class AnnexConfig(AppConfig):
    name = "tests.apps.annex"
    label = "annex"
    default_auto_field = "django.db.models.BigAutoField"
