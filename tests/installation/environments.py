"""Virtual environments that hold what an installation brings, and nothing of what tests need."""

from __future__ import annotations

import os
import sys
import venv
from pathlib import Path

from tests.support.deployed_project import run


def empty_environment(folder: Path) -> Path:
    """Make an environment that has nothing but pip, and return its Python."""
    venv.create(folder, with_pip=True)
    return folder / "bin/python"


def pip(python: Path, *arguments: str) -> str:
    """Run pip in an environment; fail unless it ends well."""
    return run([str(python), "-m", "pip", "--quiet", *arguments], clean(), python.parent)


def clean() -> dict[str, str]:
    """Return the environment of a process that is to know nothing of the tests' own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    outer = [each for each in kept["PATH"].split(os.pathsep) if not each.startswith(sys.prefix)]
    return {**kept, "PATH": os.pathsep.join(outer), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
