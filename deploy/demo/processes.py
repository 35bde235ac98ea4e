"""Processes of a run, each with a log, and none of which outlives the run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from deploy.demo.errors import DemoError
from deploy.local.folders import ROOT
from deploy.local.server import last_words

_KEPT_LOGS = 5
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.05
_WATCHDOG = Path(__file__).with_name("watchdog.py")


class Child:
    """One process, in a session of its own: Ctrl-C must reach its starter alone."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environ: Mapping[str, str]
    ) -> None:
        self.name, self.log = name, log
        self._is_expected_to_end = False
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def refuse_death(self) -> None:
        """Raise DemoError if it has ended by itself."""
        status = self.process.poll()
        if status is not None and not self._is_expected_to_end:
            raise DemoError(f"The {self.name} ended with status {status}. {last_words(self.log)}")

    def finish(self, seconds: float, is_stopped: Callable[[], None]) -> None:
        """Wait for it to end well; raise DemoError if it does not.

        ``is_stopped`` is called all the time and may raise.
        """
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            is_stopped()
            if time.monotonic() > deadline:
                raise DemoError(f"The {self.name} takes too long. {last_words(self.log)}")
            time.sleep(_POLL_SECONDS)
        self._is_expected_to_end = self.process.returncode == 0
        self.refuse_death()

    def said(self) -> str:
        """Return what it wrote until now."""
        return self.log.read_text(errors="replace")

    def ask_to_end(self) -> None:
        """Ask it once to end, as a supervisor does: a second time may mean to end at once."""
        if not self._is_expected_to_end and self.process.poll() is None:
            self.process.terminate()
        self._is_expected_to_end = True

    def stop(self) -> None:
        """Ask it to end, and kill its whole group if it does not."""
        self.ask_to_end()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            # It still runs, so the number of its group is nobody else's.
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Children:
    """All processes of a run. Leaving the block stops them, the latest first."""

    def __init__(self, name: str, token: str) -> None:
        self.folder = _log_folder(ROOT / name, token)
        self._running: list[Child] = []
        self._watchdog = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_WATCHDOG)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )

    @property
    def where(self) -> str:
        """The folder of the logs, as short as it can be typed here."""
        here = Path.cwd()
        folder = self.folder
        return str(folder.relative_to(here) if folder.is_relative_to(here) else folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for child in reversed(self._running[:]):
            self.stop(child)
        self._pipe.close()
        self._watchdog.wait()

    def start(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> Child:
        """Start a process whose output goes to ``<name>.log``; return it at once."""
        log = self.folder / f"{name.replace(' ', '-')}.log"
        child = Child(name, command, log, environ)
        self._tell(f"+{child.process.pid}")
        self._running.append(child)
        return child

    def stop(self, *children: Child) -> None:
        """Stop these, all at once, and return when they are gone."""
        for child in children:
            child.ask_to_end()
        for child in children:
            child.stop()
            self._tell(f"-{child.process.pid}")
            self._running.remove(child)

    def refuse_deaths(self) -> None:
        """Raise DemoError if one has ended by itself."""
        for child in self._running:
            child.refuse_death()

    @property
    def _pipe(self) -> IO[str]:
        assert self._watchdog.stdin is not None  # noqa: S101
        return self._watchdog.stdin

    def _tell(self, line: str) -> None:
        self._pipe.write(f"{line}\n")
        self._pipe.flush()


def _log_folder(logs: Path, token: str) -> Path:
    """Return a new folder, and remove those of the oldest runs."""
    folder = logs / token
    try:
        folder.mkdir(parents=True)
        older = sorted(logs.iterdir(), key=lambda each: each.stat().st_mtime, reverse=True)
        for each in older[_KEPT_LOGS:]:
            shutil.rmtree(each, ignore_errors=True)
    except OSError as error:
        raise DemoError(f"The logs cannot be written to {folder}: {error.strerror}.") from error
    return folder
