"""Settings of the tests: two databases on the server that DATABASE_URL names."""

from __future__ import annotations

import os
from typing import Any

import dj_database_url

DATABASE_URL = os.environ.get("DATABASE_URL") or "postgresql://postgres@127.0.0.1:5432/postgres"
DATABASE_ENGINE = os.environ.get("DATABASE_ENGINE") or None
"""Another package's backend; None is Django's."""

REDIS_URL = os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/0"


def _database(suffix: str = "") -> dict[str, Any]:
    database: dict[str, Any] = {**dj_database_url.parse(DATABASE_URL, engine=DATABASE_ENGINE)}
    return {**database, "NAME": f"{database['NAME']}{suffix}"}


SECRET_KEY = "only for tests"
DEBUG = False
ALLOWED_HOSTS = ["testserver"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django_celery_beat",
    "pg_timepart",
    "tests.apps.shop",
    "tests.apps.fleet",
    "tests.apps.plant",
    "tests.apps.foundry",
    "tests.apps.depot",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "tests.urls"

DATABASES = {
    "default": _database(),
    # Without a dependency, either test database can be made alone.
    "other": {**_database("_other"), "TEST": {"DEPENDENCIES": []}},
}
if os.environ.get("TIMEPART_ROUTER"):  # make router
    DATABASES["replica"] = {
        **_database(),
        "OPTIONS": {"options": "-c default_transaction_read_only=on"},
        "TEST": {"MIRROR": "default"},
    }
    DATABASE_ROUTERS = ["tests.support.router.PrimaryReplicaRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

CELERY_BROKER_URL = REDIS_URL
CELERY_RESULT_BACKEND = REDIS_URL
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
