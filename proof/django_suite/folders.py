"""Folders of Django's sources and of the environments, which git ignores."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from proof.django_suite.errors import SuiteError

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".django-suite"

_LAST_LINES = 5


def run_quietly(command: Sequence[str | Path]) -> str:
    """Run a command to its end and return what it printed.

    Raises SuiteError with its last words when it fails or is not there.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise SuiteError(f"Cannot run {command[0]}: {error.strerror}.") from error
    if done.returncode != 0:
        raise SuiteError(
            f"{' '.join(map(str, command))} failed: {last_words(done.stderr or done.stdout)}"
        )
    return done.stdout


def last_words(text: str) -> str:
    """Return the last lines that say something, in one line."""
    said = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(said[-_LAST_LINES:]) or "nothing was said"
