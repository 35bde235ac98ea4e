"""Settings of the deployable project, all from the environment: see docs/deployment.md."""

from __future__ import annotations

import logging

from django.core.management.utils import get_random_secret_key

from deploy import environment

DEMO = environment.flag("DEMO")
DEBUG = environment.flag("DEBUG")


def _secret_key() -> str:
    if DEMO:
        return environment.text("SECRET_KEY") or get_random_secret_key()
    return environment.required(
        "SECRET_KEY", "a long random text, the same in every process. DEMO=1 does without."
    )


SECRET_KEY = _secret_key()
SECRET_KEY_FALLBACKS = environment.words("SECRET_KEY_FALLBACKS")

# Probes on the same machine or in the same pod ask localhost.
ALLOWED_HOSTS = [*environment.words("ALLOWED_HOSTS"), "localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = environment.words("CSRF_TRUSTED_ORIGINS")

# Who sends it as "Authorization: Bearer ..." is told by /healthz what is wrong.
HEALTH_TOKEN = environment.text("HEALTH_TOKEN")

# Behind a proxy that ends TLS and sets X-Forwarded-Proto itself.
_IS_BEHIND_TLS = environment.flag("BEHIND_TLS_PROXY")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _IS_BEHIND_TLS else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _IS_BEHIND_TLS
SECURE_SSL_REDIRECT = environment.flag("SECURE_SSL_REDIRECT", default=_IS_BEHIND_TLS)
# Probes ask the process itself, past the proxy.
SECURE_REDIRECT_EXEMPT = ["^livez$", "^healthz$"]
# Browsers hold to it for as long: an hour until it is known to work, then a year.
SECURE_HSTS_SECONDS = environment.whole_number(
    "SECURE_HSTS_SECONDS", 3_600 if _IS_BEHIND_TLS else 0
)
SECURE_HSTS_INCLUDE_SUBDOMAINS = environment.flag("SECURE_HSTS_INCLUDE_SUBDOMAINS")
SECURE_HSTS_PRELOAD = environment.flag("SECURE_HSTS_PRELOAD")
# Both bind other hosts than this one: that is for the owner of the domain to say.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

INSTALLED_APPS = [
    "deploy.apps.ProjectConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "pg_timepart",
    "deploy.sensors",
    "deploy.traffic",
    "deploy.shop",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
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
ROOT_URLCONF = "deploy.urls"
WSGI_APPLICATION = "deploy.wsgi.application"

# A server that is away is noticed within seconds: by connecting, and by what is not acknowledged.
_PATIENCE = {
    "connect_timeout": environment.whole_number("DATABASE_CONNECT_TIMEOUT", 5, least=1),
    "tcp_user_timeout": 15_000,
    "keepalives_idle": 30,
}
DATABASES = {"default": environment.database("DATABASE_URL", **_PATIENCE)}

# The same database past a pooler: workers maintain the tables through it.
_IS_POOLED = bool(environment.text("MAINTENANCE_DATABASE_URL"))
if _IS_POOLED:
    DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
    DATABASES["maintenance"] = environment.database("MAINTENANCE_DATABASE_URL", **_PATIENCE)
    DATABASES["maintenance"]["TEST"] = {"MIRROR": "default"}

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

USE_TZ = True
TIME_ZONE = "UTC"
PARTITION_TIMEZONE = environment.text("PARTITION_TIMEZONE", "UTC")
PG_TIMEPART = environment.prefixed(
    "PG_TIMEPART",
    {
        "LOCK_BUDGET_MS": int,
        "LOCK_WAIT_SECONDS": float,
        "LONG_TRANSACTION_MS": int,
        "HISTORY_DAYS": int,
        "MAX_RETIRE_PER_PASS": int,
        "QUEUE": str,
        "DISPATCHER": bool,
        "PRUNE_INSTANCES": bool,
    },
)
if _IS_POOLED:
    PG_TIMEPART.setdefault("MAINTENANCE_DATABASES", {"default": "maintenance"})

STATIC_URL = "static/"
# The admin's files are served from where they are installed: there is nothing to collect.
WHITENOISE_USE_FINDERS = True

_REDIS_SCHEMES = ("redis:", "rediss:", "sentinel:")
CELERY_BROKER_URL = environment.text("CELERY_BROKER_URL") or environment.required(
    "REDIS_URL", "the URL of the broker, such as redis://:password@host:6379/0."
)
_BROKER_THAT_STORES = CELERY_BROKER_URL if CELERY_BROKER_URL.startswith(_REDIS_SCHEMES) else ""
CELERY_RESULT_BACKEND = environment.text("CELERY_RESULT_BACKEND") or environment.text(
    "REDIS_URL", _BROKER_THAT_STORES
)
CELERY_RESULT_EXPIRES = 3_600
# A task that ends while Redis restarts stores its result afterwards, instead of counting as failed.
CELERY_RESULT_BACKEND_ALWAYS_RETRY = True
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
# How soon beat follows a schedule that was edited in the admin.
CELERY_BEAT_MAX_LOOP_INTERVAL = environment.whole_number("BEAT_LOOP_SECONDS", 5, least=1)
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
# A task is taken from the queue when it has ended, and each worker takes one at a time.
CELERY_TASK_ACKS_LATE = CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TRACK_STARTED = True
CELERY_TASK_SOFT_TIME_LIMIT = environment.whole_number("TASK_SOFT_TIME_LIMIT", 1_800, least=1)
CELERY_TASK_TIME_LIMIT = CELERY_TASK_SOFT_TIME_LIMIT + 120
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Longer than any task may run: else Redis hands it to a second worker meanwhile.
    "visibility_timeout": CELERY_TASK_TIME_LIMIT + 600,
    "global_keyprefix": environment.text("CELERY_KEY_PREFIX"),
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    # One that takes connections and says nothing is away too. More than the second that a worker
    # waits at an empty queue.
    "socket_timeout": 10,
}
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {
    "global_keyprefix": CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"],
    # So often does who sends a task try to listen for its result, before it is told of the error.
    "retry_policy": {"max_retries": 3},
}
CELERY_REDIS_SOCKET_CONNECT_TIMEOUT = 5
CELERY_REDIS_SOCKET_TIMEOUT = 10
CELERY_BROKER_POOL_LIMIT = 10

_LOG_LEVEL = environment.one_of("LOG_LEVEL", "INFO", logging.getLevelNamesMapping())
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": _LOG_LEVEL},
}
