"""Python interpreters of this machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

_VERSION = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
_PYENV = "~/.pyenv"


def find_python(version: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return a Python of this feature version that runs and can make environments, or None.

    It is looked for on the PATH, and among those that pyenv keeps. One that is there but does not
    run, such as a shim of pyenv for a version that is not switched on, is as good as none.
    """
    return next((each for each in _candidates(version, environ) if _is(each, version)), None)


def _candidates(version: str, environ: Mapping[str, str]) -> Iterator[Path]:
    for folder in environ.get("PATH", "").split(os.pathsep):
        yield Path(folder) / f"python{version}"
    kept = Path(environ.get("PYENV_ROOT") or Path(_PYENV).expanduser()) / "versions"
    for each in sorted(kept.glob(f"{version}.*"), reverse=True):
        yield each / f"bin/python{version}"


def _is(program: Path, version: str) -> bool:
    if not os.access(program, os.X_OK):
        return False
    try:
        answer = subprocess.run(
            [program, "-c", _VERSION], capture_output=True, text=True, check=False
        )
    except OSError:
        return False
    return answer.returncode == 0 and answer.stdout.strip() == version
