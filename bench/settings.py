"""Settings of the benchmarks: a database of their own on the server that DATABASE_URL names."""

from __future__ import annotations

import os

import dj_database_url

DATABASE_URL = os.environ.get("DATABASE_URL") or "postgresql://postgres@127.0.0.1:5432/postgres"

# In the environment, because the processes that play an application must find the same database.
DATABASE_NAME = os.environ.setdefault("PG_TIMEPART_BENCH", f"pg_timepart_bench_{os.getpid()}")

_SERVER = dj_database_url.parse(DATABASE_URL)

DATABASES = {
    "default": {**_SERVER, "NAME": DATABASE_NAME},
    "server": {**_SERVER},
}
INSTALLED_APPS = ["pg_timepart", "bench"]
SECRET_KEY = "only for benchmarks"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
