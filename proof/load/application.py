"""The application: ``python -m proof.load.application FOLDER OPTIONS`` until SIGTERM.

Processes that write and read at a steady pace. What is refused is noted, and not tried again.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Protocol

import django

from proof.load.options import Options
from proof.load.samples import SUFFIX, StatementLog

NAME = "application"
"""What its sessions call themselves."""

READY = "All connections are open."
_MAX_BEHIND_SECONDS = 1.0
_READY_SECONDS = 100.0
_POLL_SECONDS = 0.2

_fork = get_context("fork")


class Client(Protocol):
    """What one process does all the time."""

    rate: float
    """How often a second."""

    def warm_up(self) -> None:
        """Do what only the first statements of a connection have to."""

    def act(self, statement_log: StatementLog) -> None:
        """Run a statement and note it."""


def main(arguments: Sequence[str]) -> int:
    """Run until SIGTERM; return the exit status, which is 1 where a process has failed."""
    folder, options = Path(arguments[0]), Options.from_text(arguments[1])
    stop = _fork.Event()
    # An event that is set while this thread waits for it would wait for this thread.
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda signum, _frame: asked.append(signum))
    django.setup()
    from proof.load.clients import clients

    started = clients(options)
    ready = _fork.Barrier(len(started) + 1)
    processes = [_start(name, client, folder, ready, stop) for name, client in started.items()]
    ready.wait(_READY_SECONDS)
    print(READY, flush=True)
    while not asked and all(each.is_alive() for each in processes):
        time.sleep(_POLL_SECONDS)
    stop.set()
    for each in processes:
        each.join()
    return int(any(each.exitcode for each in processes))


def paced(rate: float, stop: Event) -> Iterator[None]:
    """Yield so often a second until ``stop`` is set, and make up for what came a little late."""
    due = time.monotonic()
    while not stop.wait(max(due - time.monotonic(), 0.0)):
        yield
        due = max(due + 1 / rate, time.monotonic() - _MAX_BEHIND_SECONDS)


def _start(name: str, client: Client, folder: Path, ready: Barrier, stop: Event) -> BaseProcess:
    process = _fork.Process(target=_run_client, args=(name, client, folder, ready, stop), name=name)
    process.start()
    return process


def _run_client(name: str, client: Client, folder: Path, ready: Barrier, stop: Event) -> None:
    from django.db import connection

    connection.settings_dict["OPTIONS"]["application_name"] = NAME
    with (folder / f"{name}{SUFFIX}").open("w", newline="") as file:
        statement_log = StatementLog(file)
        client.warm_up()
        ready.wait(_READY_SECONDS)
        for _ in paced(client.rate, stop):
            client.act(statement_log)
    connection.close()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "proof.load.settings")
    sys.exit(main(sys.argv[1:]))
