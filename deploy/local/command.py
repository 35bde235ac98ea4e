"""Run a command, passing on the signals that would end this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from .errors import ServiceError

_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_OFFSET_OF_SIGNALLED = 128


@contextmanager
def ending_signals_raise() -> Iterator[None]:
    """Turn the signals that end a process into SystemExit, so that what was started is stopped.

    A second signal is ignored: it would interrupt the stopping.
    """

    def end(signum: int, _frame: FrameType | None) -> None:
        for each in _ENDING_SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(_OFFSET_OF_SIGNALLED + signum)

    before = {signum: signal.signal(signum, end) for signum in _ENDING_SIGNALS}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def run_to_end(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run ``command`` and return its exit status, or 128 and the signal that ended it.

    Signals that would end this process go to the command, which is then waited for.

    Raises ServiceError when there is no such command.
    """
    try:
        child = subprocess.Popen(command, env=environ)
    except OSError as error:
        raise ServiceError(f"Cannot run {command[0]}: {error.strerror}.") from error
    with child, _passed_on_to(child):
        status = child.wait()
    return status if status >= 0 else _OFFSET_OF_SIGNALLED - status


@contextmanager
def _passed_on_to(child: subprocess.Popen[bytes]) -> Iterator[None]:
    def pass_on(signum: int, _frame: FrameType | None) -> None:
        if not (signum == signal.SIGINT and _is_in_foreground()):
            child.send_signal(signum)

    before = {signum: signal.signal(signum, pass_on) for signum in _ENDING_SIGNALS}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _is_in_foreground() -> bool:
    """Return whether a terminal's Ctrl-C reaches the child without us, being of our group."""
    return sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
