"""Settings of the client that sends passes: as the workers', with all apps for the admin."""

from __future__ import annotations

from tests.acceptance.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS

__all__ = ["INSTALLED_APPS"]
