"""Django's source distribution, which has the tests that its wheel leaves out."""

from __future__ import annotations

import tempfile
from pathlib import Path

from proof.django_suite.errors import SuiteError
from proof.django_suite.folders import KEPT, run_quietly


def tests_of(version: str, python: str | Path) -> Path:
    """Return the folder ``tests`` of this very release, fetched where it is not here yet.

    pip asks the archive for its metadata, which runs setuptools, but builds nothing.

    Raises SuiteError when it cannot be fetched.
    """
    folder = KEPT / "sources" / version
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        _fetch(version, python, folder)
    return folder / "tests"


def _fetch(version: str, python: str | Path, folder: Path) -> None:
    """Make ``folder`` all at once: whoever finds it finds it whole."""
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=folder.parent) as scratch:
        options = ("--no-binary=django", "--no-deps", f"--dest={scratch}")
        run_quietly([python, "-m", "pip", "download", *options, f"django=={version}"])
        (archive,) = Path(scratch).glob("*.tar.gz")
        run_quietly(["tar", "-xzf", archive, "-C", scratch])
        (unpacked,) = (each for each in Path(scratch).iterdir() if each.is_dir())
        if not (unpacked / "tests" / "runtests.py").exists():
            raise SuiteError(f"{archive.name} has no tests/runtests.py.")
        if not folder.exists():
            unpacked.rename(folder)
