"""Third-party packages that may be installed where this package is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PSYCOPG2, PSYCOPG3 = "psycopg2", "psycopg3"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThirdPartyPackage:
    """Packages, and how they are set up."""

    name: str
    packages: tuple[str, ...]
    needs_django: bool = False
    """Whether they depend on Django, which is here already: then all that they need is named."""

    start: str = ""
    """A function of ``tests.neighbours.project_setup``, called before Django is imported."""

    apps: tuple[str, ...] = ()
    engine: str | None = None
    middleware: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    wraps: frozenset[str] = frozenset()
    """The drivers whose connections it puts a proxy around: to see that it is at work."""

    drivers: frozenset[str] = frozenset({PSYCOPG2, PSYCOPG3})


BOTH = frozenset({PSYCOPG2, PSYCOPG3})

WATCHERS = (
    ThirdPartyPackage(
        name="elastic",
        packages=("elastic-apm",),
        start="elastic",
        apps=("elasticapm.contrib.django",),
        settings={"ELASTIC_APM": {"SERVICE_NAME": "tests", "DISABLE_SEND": True}},
        wraps=BOTH,
    ),
    ThirdPartyPackage(name="datadog", packages=("ddtrace",), start="datadog", wraps=BOTH),
    ThirdPartyPackage(
        name="opentelemetry",
        packages=(
            "opentelemetry-instrumentation-psycopg2",
            "opentelemetry-instrumentation-psycopg",
            "opentelemetry-sdk",
        ),
        start="opentelemetry",
    ),
    ThirdPartyPackage(name="newrelic", packages=("newrelic",), start="newrelic", wraps=BOTH),
    ThirdPartyPackage(name="sentry", packages=("sentry-sdk",), start="sentry"),
    ThirdPartyPackage(
        name="toolbar",
        packages=("django-debug-toolbar", "sqlparse"),
        needs_django=True,
        apps=("django.contrib.staticfiles", "debug_toolbar"),
    ),
)
"""Tools that watch what an application asks of its database."""

BACKENDS = (
    ThirdPartyPackage(
        name="zero-downtime",
        packages=("django-pg-zero-downtime-migrations",),
        needs_django=True,
        engine="django_zero_downtime_migrations.backends.postgres",
    ),
    ThirdPartyPackage(
        name="prometheus",
        packages=("django-prometheus", "prometheus-client"),
        needs_django=True,
        apps=("django_prometheus",),
        engine="django_prometheus.db.backends.postgresql",
    ),
    ThirdPartyPackage(
        name="postgres-extra",
        packages=("django-postgres-extra", "python-dateutil", "six"),
        needs_django=True,
        apps=("django.contrib.postgres", "psqlextra"),
        engine="psqlextra.backend",
        # It wants hstore, which not every server has.
        settings={"POSTGRES_EXTRA_AUTO_EXTENSION_SET_UP": False},
    ),
    ThirdPartyPackage(
        name="read-only",
        packages=("django-read-only",),
        needs_django=True,
        apps=("django_read_only",),
        settings={"DJANGO_READ_ONLY": False},
    ),
)
"""Backends with connections and schema editors of their own."""

GREEN = (
    ThirdPartyPackage(name="gevent", packages=("gevent",), start="gevent"),
    ThirdPartyPackage(
        name="psycogreen",
        packages=("gevent", "psycogreen"),
        start="psycogreen",
        drivers=frozenset({PSYCOPG2}),
    ),
    ThirdPartyPackage(name="eventlet", packages=("eventlet",), start="eventlet"),
)
"""Green threads in the place of threads."""

NEIGHBOURS = (*WATCHERS, *BACKENDS, *GREEN)
SAMPLE = ("zero-downtime",)
"""Run in every ``make acceptance``."""
