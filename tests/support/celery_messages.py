"""Celery without a worker: what tasks send, and tasks that believe they run in one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from celery._state import get_current_app
from celery.exceptions import Retry


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One task that was sent."""

    task: str
    args: list[Any]
    headers: dict[str, Any]


class CeleryInMemory:
    """An application with a broker in memory and a queue of its own; the current one until closed.

    What a task sends, it sends by the current application.
    """

    def __init__(self) -> None:
        self.queue = f"queue-{uuid4()}"
        self._before: Any = get_current_app()
        self.app = Celery("post", broker="memory://")
        self.app.conf.task_default_queue = self.queue

    def close(self) -> None:
        """Make the application current that was so before."""
        self.app.close()
        self._before.set_current()

    def task(self, name: str) -> Any:
        """Return the task ``pg_timepart.<name>`` of this application."""
        return self.app.tasks[f"pg_timepart.{name}"]

    def sent(self, queue: str | None = None) -> list[Message]:
        """Take what is in a queue."""
        with self.app.connection_for_read() as connection:
            channel: Any = connection.default_channel
            found = []
            while (message := channel.basic_get(queue or self.queue, no_ack=True)) is not None:
                found.append(_parsed(message))
            return found

    def run(self, name: str, *args: Any, request: dict[str, Any] | None = None, **more: Any) -> Any:
        """Run a task as a worker does that got it from the queue, and return its result.

        ``request`` is what differs from the usual delivery; ``more`` are keyword arguments.
        """
        task = self.task(name)
        with _delivered(task, args, more, {**_delivery(self.queue), **(request or {})}):
            return task(*args, **more)

    def retry_of(self, name: str, *args: Any, request: dict[str, Any] | None = None) -> Retry:
        """Run a task that must be sent again, and return how it is."""
        with pytest.raises(Retry) as caught:
            self.run(name, *args, request=request)
        return caught.value


@contextmanager
def _delivered(
    task: Any, args: Any, kwargs: dict[str, Any], facts: dict[str, Any]
) -> Iterator[None]:
    task.push_request({"task": task.name, "args": args, "kwargs": kwargs, **facts})
    try:
        yield
    finally:
        task.pop_request()


def _delivery(queue: str) -> dict[str, Any]:
    """Return the request of a task that a worker took from a queue for the first time."""
    return {
        "id": str(uuid4()),
        "retries": 0,
        "hostname": "worker@here",
        "called_directly": False,
        "delivery_info": {"exchange": "", "routing_key": queue, "redelivered": None},
    }


def _parsed(message: Any) -> Message:
    args, _kwargs, _embedded = json.loads(message.body)
    return Message(task=message.headers["task"], args=args, headers=message.headers)


@pytest.fixture
def celery_in_memory() -> Iterator[CeleryInMemory]:
    """Where the tasks go that are sent."""
    celery_in_memory = CeleryInMemory()
    yield celery_in_memory
    celery_in_memory.close()
