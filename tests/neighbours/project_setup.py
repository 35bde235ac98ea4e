"""Set-up of each third-party package, before Django is imported."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def elastic() -> None:
    """Instrument as its Django app does, which comes too late for a script."""
    import_module("elasticapm").instrument()


def datadog() -> None:
    """As ``ddtrace-run`` does."""
    import_module("ddtrace.auto")


def opentelemetry() -> None:
    """Instrument both drivers, as ``opentelemetry-instrument`` does with those it finds."""
    sdk: Any = import_module("opentelemetry.sdk.trace")
    import_module("opentelemetry.trace").set_tracer_provider(sdk.TracerProvider())
    for name, driver in (("Psycopg2", "psycopg2"), ("Psycopg", "psycopg")):
        try:
            import_module(driver)
        except ImportError:
            continue
        module: Any = import_module(f"opentelemetry.instrumentation.{driver}")
        instrumentor = getattr(module, f"{name}Instrumentor")()
        instrumentor.instrument(enable_commenter=True, skip_dep_check=True)


def newrelic() -> None:
    """As ``newrelic-admin run-program`` does, without sending anything."""
    agent: Any = import_module("newrelic.agent")
    agent.global_settings().developer_mode = True
    agent.initialize()


def sentry() -> None:
    """Trace everything, and send it nowhere."""
    sdk: Any = import_module("sentry_sdk")
    sdk.init(dsn="http://key@127.0.0.1:1/1", traces_sample_rate=1.0, shutdown_timeout=0)


def gevent() -> None:
    """Put green threads in the place of threads, as ``celery --pool gevent`` does."""
    import_module("gevent.monkey").patch_all()


def psycogreen() -> None:
    """The same, and let psycopg2 wait as they do."""
    gevent()
    import_module("psycogreen.gevent").patch_psycopg()


def eventlet() -> None:
    """Put green threads in the place of threads, as ``celery --pool eventlet`` does."""
    import_module("eventlet").monkey_patch()
