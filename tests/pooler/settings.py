"""Settings of what the tests of the pooler start: all the applications of the tests."""

from __future__ import annotations

import os

import dj_database_url

from tests.acceptance.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, ROOT_URLCONF  # noqa: F401

PAST_THE_POOLER = os.environ.get("PAST_THE_POOLER_URL")

if PAST_THE_POOLER:
    DATABASES["direct"] = {**dj_database_url.parse(PAST_THE_POOLER)}  # noqa: F405
    PG_TIMEPART = {**PG_TIMEPART, "MAINTENANCE_DATABASES": {"default": "direct"}}  # noqa: F405
