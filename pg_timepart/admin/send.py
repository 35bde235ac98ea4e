"""Send a task from a page, without retries where the broker cannot be reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from celery import Celery, Task
from celery.result import denied_join_result
from kombu import Connection
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from pg_timepart.errors import TimepartError
from pg_timepart.logger import logger

BROKER_TIMEOUT_SECONDS = 3
"""How many seconds a page waits for a broker that does not answer."""


class NotSent(TimepartError):
    """The task could not be sent; nothing was started."""


def send(task: Task[Any, Any], arguments: Sequence[Any], *, by: str) -> str:
    """Send one task and return its id; raises NotSent, after which nothing will run.

    Celery would retry for minutes while the broker is down; a person is told instead. ``by`` is the
    user's name, for the record of the run.
    """
    _require_backend(task.app)
    with _with_timeouts(task.app.connection_for_write()) as connection:
        options: dict[str, Any] = {"connection": connection, "headers": {"started_by": by}}
        try:
            # The result is not waited for here, so it needs no subscription.
            with denied_join_result():
                sent = task.apply_async(tuple(arguments), retry=False, **options)
        except (KombuError, RedisError, OSError) as error:
            reason = " ".join(str(error).split())
            raise NotSent(
                "The message broker cannot be reached, so nothing was started and nothing has"
                f" changed. Try again when it is back. ({reason})"
            ) from error
    return str(sent.id)


def _require_backend(app: Celery) -> None:
    """Raise NotSent where Celery could not create the result's object after sending the task."""
    try:
        _ = app.backend
    except Exception as error:  # any backend, with errors of its own
        logger.warning("Celery's result backend: %s", error)  # may name a password
        raise NotSent(
            "Celery cannot load its result backend, so nothing was started and nothing has"
            " changed. Correct CELERY_RESULT_BACKEND, or install what it needs."
            f" ({type(error).__name__}; the log says more)"
        ) from error


def _with_timeouts(connection: Connection) -> Connection:
    """Return the connection, not opened yet, with short timeouts."""
    connection.connect_timeout = BROKER_TIMEOUT_SECONDS
    connection.transport_options = {
        **(connection.transport_options or {}),
        "max_retries": 0,
        "connect_retries_timeout": BROKER_TIMEOUT_SECONDS,
        **_socket_timeouts(connection),
    }
    return connection


def _socket_timeouts(connection: Connection) -> dict[str, float]:
    if connection.transport.driver_type != "redis":
        return {}
    return {
        "socket_connect_timeout": BROKER_TIMEOUT_SECONDS,
        "socket_timeout": BROKER_TIMEOUT_SECONDS,
    }
