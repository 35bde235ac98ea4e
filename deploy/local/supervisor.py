"""``python -m deploy.local.supervisor COMMAND ...``: a command that is started again when it ends.

What systemd, compose and Kubernetes do in production, for where there is none of them. SIGTERM and
SIGINT are passed on to the command, and its end is then the supervisor's own. A command that ends
right after its start several times in a row cannot work: the supervisor ends with its status.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType

PAUSE_SECONDS = 1.0
SHORT_LIFE_SECONDS = 5.0
SHORT_LIVES = 3


class Supervisor:
    """One command, and what was asked of it."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._is_asked_to_end = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Run the command until it is asked to end, or cannot work; return its last status."""
        short_lives = 0
        while True:
            begun = time.monotonic()
            status = self._run_once()
            if self._is_asked_to_end.is_set():
                return status
            is_short = time.monotonic() - begun < SHORT_LIFE_SECONDS
            short_lives = short_lives + 1 if is_short else 0
            self._say(f"ended with status {status}")
            if short_lives == SHORT_LIVES:
                self._say("ends whenever it is started, and so is left alone")
                return status or 1
            if self._is_asked_to_end.wait(PAUSE_SECONDS):
                return status

    def ask_to_end(self, signum: int, _frame: FrameType | None) -> None:
        """Pass the signal on, and start nothing more."""
        self._is_asked_to_end.set()
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signum)

    def _run_once(self) -> int:
        self._process = subprocess.Popen(self._command)
        if self._is_asked_to_end.is_set():  # meanwhile, when there was nobody to pass it on to
            self._process.terminate()
        status = self._process.wait()
        return status if status >= 0 else 128 - status

    def _say(self, what: str) -> None:
        print(f"supervisor: {' '.join(self._command[-3:])} {what}", file=sys.stderr, flush=True)


def main(command: Sequence[str]) -> int:
    """Supervise the command; return its exit status, 128 and more where a signal ended it."""
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    supervisor = Supervisor(command)
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, supervisor.ask_to_end)
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
