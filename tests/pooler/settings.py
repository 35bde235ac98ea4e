"""Settings of what the tests of the pooler start: one partitioned application, and the admin."""

from __future__ import annotations

import os

import dj_database_url

from tests.acceptance.settings import *  # noqa: F403

INSTALLED_APPS += [  # noqa: F405
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.messages",
    "django.contrib.sessions",
]
# Past the pooler: what MAINTENANCE_DATABASES may name.
DATABASES["direct"] = {**dj_database_url.parse(os.environ["SERVER_URL"])}  # noqa: F405
