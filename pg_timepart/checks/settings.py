"""E008: settings that cannot be used."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from pg_timepart import conf
from pg_timepart.schema.registry import registry

NO_ZONES = "USE_TZ must be True: bounds of partitions are moments, which need a time zone."


def check_settings(**_: Any) -> list[CheckMessage]:
    """Return an error for each setting that cannot be used."""
    hint = (
        f"Correct it in the settings module: {conf.SETTING}, PARTITION_TIMEZONE, TIME_ZONE or"
        " USE_TZ."
    )
    has_no_zones = registry() and not settings.USE_TZ
    found = [NO_ZONES, *conf.problems()] if has_no_zones else conf.problems()
    return [Error(problem, hint=hint, id="pg_timepart.E008") for problem in found]
