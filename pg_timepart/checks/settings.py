"""E008: the settings."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error

from pg_timepart import conf


def check_settings(**_: Any) -> list[CheckMessage]:
    """Return an error for each setting of ours that cannot be used."""
    hint = (
        f"Correct it in the settings module: {conf.SETTING}, PARTITION_TIMEZONE, TIME_ZONE or"
        " USE_TZ."
    )
    return [Error(problem, hint=hint, id="pg_timepart.E008") for problem in conf.problems()]
