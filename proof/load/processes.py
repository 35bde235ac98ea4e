"""Processes of a run: workers, beats, and the application."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

from deploy.demo.environment import Environment
from deploy.demo.errors import DemoError
from deploy.demo.processes import Child
from proof.load.application import READY
from proof.load.options import Options

_START_SECONDS = 120.0


class Processes:
    """All processes of one run, started together."""

    def __init__(self, environment: Environment, options: Options) -> None:
        self._environment = environment
        self._workers = {
            name: environment.celery(name, "worker", f"--hostname={name}@load", "--concurrency=1")
            for name in _names("worker", options.workers)
        }
        self._beats = {
            name: environment.celery(name, "beat", "--pidfile=")
            for name in _names("beat", options.beats)
        }
        folder = str(environment.children.folder)
        program = (sys.executable, "-m", "proof.load.application")
        self._application = environment.start("application", *program, folder, options.as_text())

    def wait_until_ready(self) -> None:
        """Wait until all are at work; raise DemoError for one that is not."""
        for child, words in self._first_words():
            deadline = time.monotonic() + _START_SECONDS
            while words not in child.said():
                self._environment.refuse_stop(0.1)
                self._environment.children.refuse_deaths()
                if time.monotonic() > deadline:
                    raise DemoError(f"The {child.name} does not begin. See {child.log}")

    def stop_application(self) -> None:
        """Stop writing and reading, so that all is noted; raise DemoError if a part of it died."""
        self._environment.children.stop(self._application)
        if self._application.process.returncode != 0:
            raise DemoError(f"The application has failed. See {self._application.log}")

    def stop_service(self) -> None:
        """Stop workers and beats."""
        self._environment.children.stop(*self._beats.values(), *self._workers.values())

    def sent(self) -> dict[str, int]:
        """Return how many messages each beat has sent."""
        return {name: each.said().count("Sending due task") for name, each in self._beats.items()}

    def worker_names(self) -> list[str]:
        """Return what the workers call themselves in records."""
        return [f"{name}@load" for name in self._workers]

    def retries(self) -> int:
        """Return how often a task was sent again."""
        return sum(each.said().count(" retry: Retry in ") for each in self._workers.values())

    def raised(self) -> list[str]:
        """Return what the workers said about tasks that ended in an error."""
        return [
            line.partition("] ")[2]
            for each in self._workers.values()
            for line in each.said().splitlines()
            if ") raised " in line or "] raised " in line
        ]

    def _first_words(self) -> Iterator[tuple[Child, str]]:
        yield from ((each, " ready.") for each in self._workers.values())
        yield from ((each, "beat: Starting") for each in self._beats.values())
        yield self._application, READY


def _names(client: str, count: int) -> list[str]:
    return [f"{client}-{number}" for number in range(1, count + 1)]
