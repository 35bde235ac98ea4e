"""Packages in a folder of their own, kept for the next time, beside those of the environment."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.checkout import CHECKOUT

KEPT = CHECKOUT / ".neighbours"


def folder_of(packages: Sequence[str], *, with_dependencies: bool) -> Path:
    """Return a folder for PYTHONPATH that has these packages, fetched where it is not there yet."""
    release = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12]
    folder = KEPT / f"{packages[0]}-{digest}-{release}"
    if not folder.exists():
        KEPT.mkdir(exist_ok=True)
        _fetch(packages, folder, with_dependencies=with_dependencies)
    return folder


def _fetch(packages: Sequence[str], folder: Path, *, with_dependencies: bool) -> None:
    """Make the folder all at once: whoever finds it finds it whole."""
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=KEPT) as scratch:
        target = Path(scratch) / "packages"
        options = ["--quiet", "--no-compile", f"--target={target}"]
        if not with_dependencies:
            options.append("--no-deps")
        command = [sys.executable, "-m", "pip", "install", *options, *packages]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        if not folder.exists():
            target.rename(folder)
