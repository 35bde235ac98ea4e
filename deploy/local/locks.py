"""File locks that say who is alive: the system drops them with the last process that holds one."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def try_lock(path: Path) -> int | None:
    """Return a file descriptor that holds the lock of ``path``, or None if somebody else does.

    A child that inherits the descriptor holds the lock as well, for as long as it lives.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_locked(path: Path) -> bool:
    """Return whether some process holds the lock of ``path``."""
    if not path.exists():
        return False
    descriptor = try_lock(path)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


@contextmanager
def waiting_lock(path: Path) -> Iterator[None]:
    """Hold the lock of ``path``, waiting for it first."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
