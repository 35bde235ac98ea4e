"""Watchdog: stops a run's processes when who started them is gone, however it ended.

It reads process groups from its standard input, ``+<pid>`` for one that began and ``-<pid>`` for
one that ended. Only the starter holds the other end: when that is closed, the starter is dead.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable

_GRACE_SECONDS = 10.0
_POLL_SECONDS = 0.1


def main() -> None:
    """Watch until the input ends, then stop what is left."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    left = _left_over(sys.stdin)
    _signal(left, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_SECONDS
    while any(map(_is_alive, left)) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    _signal(left, signal.SIGKILL)


def _left_over(lines: Iterable[str]) -> set[int]:
    left: set[int] = set()
    for line in lines:
        change = left.add if line.startswith("+") else left.discard
        change(int(line[1:]))
    return left


def _signal(groups: Iterable[int], signum: signal.Signals) -> None:
    for each in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(each, signum)


def _is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
