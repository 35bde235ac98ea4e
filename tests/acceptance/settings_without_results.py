"""Settings of a client that wants no result, so that there is no result backend to wait for."""

from __future__ import annotations

from tests.acceptance.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS

__all__ = ["INSTALLED_APPS"]

CELERY_RESULT_BACKEND = ""
