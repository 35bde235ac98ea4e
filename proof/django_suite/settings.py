"""Settings of Django's own tests, loaded by its ``runtests.py`` through ``--settings``.

``runtests.py`` replaces INSTALLED_APPS by a list of its own, which is there when it loads the
settings: what shall be installed besides is appended to it here, and no file of Django's is edited.
"""

from __future__ import annotations

import os
import sys

import dj_database_url

_SERVER = dj_database_url.parse(
    os.environ["DATABASE_URL"], engine=os.environ["DJANGO_SUITE_ENGINE"]
)
_NAME = os.environ["DJANGO_SUITE_DATABASE"]

getattr(sys.modules["__main__"], "ALWAYS_INSTALLED_APPS", []).extend(
    os.environ["DJANGO_SUITE_APPS"].split()
)

DATABASES = {
    "default": {**_SERVER, "NAME": _NAME},
    "other": {**_SERVER, "NAME": f"{_NAME}_other"},
}
TEST_RUNNER = "proof.django_suite.recording_runner.RecordingRunner"

# As in the settings that come with these tests.
SECRET_KEY = "django_tests_secret_key"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
