"""The supervisor of the demo and of the acceptance tests, with commands that end as they like."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.checkout import CHECKOUT
from tests.support.deployed_project import Running, running, until

SUPERVISOR = [sys.executable, "-m", "deploy.local.supervisor"]
LIVES = "import os, time; print('lives', os.getpid(), flush=True); time.sleep(60)"


@contextmanager
def supervised(script: str, folder: Path) -> Iterator[Running]:
    environ = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    command = [*SUPERVISOR, sys.executable, "-c", script]
    with running(command, environ, folder / "log") as supervisor:
        yield supervisor


def pids(supervisor: Running) -> list[int]:
    """Return the processes that it has started, the latest last."""
    lines = supervisor.said().splitlines()
    return [int(line.split()[1]) for line in lines if line.startswith("lives ")]


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_a_command_that_is_killed_is_started_again(tmp_path: Path) -> None:
    with supervised(LIVES, tmp_path) as supervisor:
        (first,) = until(lambda: pids(supervisor))
        os.kill(first, signal.SIGKILL)
        second = until(lambda: pids(supervisor)[1:])[0]
        assert "ended with status 137" in supervisor.said()
        assert is_alive(second)
        assert supervisor.stop() == 128 + signal.SIGTERM
        assert pids(supervisor) == [first, second]
        assert not is_alive(second)


def test_a_command_that_is_asked_to_end_decides_on_the_status(tmp_path: Path) -> None:
    script = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n" + LIVES
    with supervised(script, tmp_path) as supervisor:
        until(lambda: pids(supervisor))
        assert supervisor.stop() == 0
        assert len(pids(supervisor)) == 1


def test_a_command_that_cannot_work_ends_its_supervisor(tmp_path: Path) -> None:
    with supervised("raise SystemExit(3)", tmp_path) as supervisor:
        assert supervisor.process.wait(30) == 3
        assert supervisor.said().count("ended with status 3") == 3
        assert "is left alone" in supervisor.said()
