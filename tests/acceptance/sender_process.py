"""Somebody who sends a pass every half second, and writes down what came of it.

``python -m tests.acceptance.sender_process delay|forget|admin LABEL``: as a programmer does, with a
result backend or without, or as a page of the admin does. One line of JSON for each try:
``seconds`` that it took, and the task's ``id``, or the ``error`` that the sender saw. Any other
error ends it.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
from kombu.exceptions import OperationalError

PAUSE_SECONDS = 0.5


class Sender:
    """One such process, seen from the test."""

    def __init__(self, way: str, label: str, folder: Path, environ: dict[str, str]) -> None:
        self._told = folder / f"sent-by-{way}.jsonl"
        with self._told.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.acceptance.sender_process", way, label],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
            )

    def tries(self) -> list[dict[str, Any]]:
        """Return what it has told until now; fail if it has ended by itself."""
        assert self._process.poll() in {None, -signal.SIGKILL}, "the sender has ended"
        whole, _, _ = self._told.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def sent(self) -> list[str]:
        """Return the ids of the tasks that the broker took."""
        return [each["id"] for each in self.tries() if "id" in each]

    def errors(self) -> list[str]:
        """Return what it saw whenever it could not send."""
        return [each["error"] for each in self.tries() if "error" in each]

    def longest_seconds(self) -> float:
        """Return how long the slowest try took."""
        return max(float(each["seconds"]) for each in self.tries())

    def end(self) -> None:
        """End it, after the try that is under way has been told or not."""
        self._process.kill()
        self._process.wait()


def main(way: str, label: str) -> None:
    """Send until somebody ends the process."""
    django.setup()
    send = _ways()[way]
    while True:
        begun = time.monotonic()
        told = _told(lambda: send(label))
        print(json.dumps({**told, "seconds": time.monotonic() - begun}), flush=True)
        time.sleep(PAUSE_SECONDS)


def _ways() -> dict[str, Callable[[str], str]]:
    from pg_timepart import tasks
    from pg_timepart.admin.send import send
    from tests.celery_app import app

    app.set_current()

    def delay(label: str) -> str:
        return str(tasks.maintain.delay(label).id)

    return {
        "delay": delay,
        "forget": delay,
        "admin": lambda label: send(tasks.maintain, [label], by="somebody"),
    }


def _told(send: Callable[[], str]) -> dict[str, str]:
    from pg_timepart.admin.send import NotSent

    try:
        return {"id": send()}
    except (NotSent, OperationalError, RuntimeError) as error:
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    main(*sys.argv[1:])
