"""Settings of the workers and beats that the acceptance tests start."""

from __future__ import annotations

import json
import os

from tests.settings import *  # noqa: F403

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django_celery_beat",
    "pg_timepart",
    "tests.apps.plant",
    "tests.apps.depot",
    "tests.apps.foundry",
]
DATABASES = {"default": DATABASES["default"]}  # noqa: F405

ROOT_URLCONF = "tests.acceptance.settings"
urlpatterns: list[object] = []

PG_TIMEPART = json.loads(os.environ.get("ACCEPTANCE_OPTIONS", "{}"))

CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# What a worker had that died as a whole is given to another one after so many seconds, by those
# that look for it, which they do every second. They hold a mutex in Redis while they look: one that
# is killed then would keep all others from it for five minutes, kombu's default.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": int(os.environ.get("ACCEPTANCE_VISIBILITY_SECONDS", "3600")),
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
    "unacked_mutex_expire": 2,
    # As in deploy/settings.py: a broker that says nothing is away.
    "socket_timeout": 10,
}
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {"retry_policy": {"max_retries": 3}}
CELERY_REDIS_SOCKET_CONNECT_TIMEOUT = 5
CELERY_REDIS_SOCKET_TIMEOUT = 10
# What was done while Redis was away counts as failed if its result cannot be stored.
CELERY_RESULT_BACKEND_ALWAYS_RETRY = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
