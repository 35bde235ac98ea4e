"""Clocks that can be set, for processes of their own, by libfaketime."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path

import libfaketime
import pytest

PREBUILT = Path(libfaketime.__file__).parent / "vendor/libfaketime/src/libfaketime.so.1"


class Clock:
    """The wall clock of the processes that are started with its environment.

    They read the file whenever they ask for the time, so that it can jump while they run. What
    measures how long something takes (the monotonic clock) goes on as ever.
    """

    def __init__(self, file: Path, offset: timedelta = timedelta()) -> None:
        self._file = file
        self.set(offset)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to follow this clock; its children follow it too."""
        return {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DISABLE_SHM": "1",
        }

    @contextmanager
    def inherited(self) -> Iterator[None]:
        """Let it be the clock of all processes that are started in the block without another."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            yield

    def set(self, offset: timedelta) -> None:
        """Let it differ by this much from the true time, from now on."""
        fresh = self._file.with_suffix(".fresh")
        fresh.write_text(f"{offset.total_seconds():+.0f}\n")
        fresh.chmod(0o644)
        fresh.replace(self._file)


@cache
def library() -> Path:
    """Return the library, which the package holds built for the most usual machines."""
    found = [PREBUILT, *Path("/usr/lib").glob("*/faketime/libfaketime.so.1")]
    for each in found:
        if _loads(each):
            return each
    raise AssertionError("No libfaketime loads here: install it, such as Debian's faketime.")


def _loads(path: Path) -> bool:
    done = subprocess.run(
        [sys.executable, "-c", "import time; print(int(time.time()))"],
        env={**os.environ, "LD_PRELOAD": str(path), "FAKETIME": "@2001-02-03 00:00:00"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0 and "9811" in done.stdout
