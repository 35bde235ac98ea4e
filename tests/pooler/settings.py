"""Settings of what the tests of the pooler start: all the applications of the tests."""

from __future__ import annotations

import os

import dj_database_url

from tests.acceptance.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, ROOT_URLCONF  # noqa: F401

# Past the pooler: what MAINTENANCE_DATABASES may name.
DATABASES["direct"] = {**dj_database_url.parse(os.environ["SERVER_URL"])}  # noqa: F405
