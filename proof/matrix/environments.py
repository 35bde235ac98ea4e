"""Virtual environments, one for each choice of Python, Django and driver; kept for the next run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from proof.matrix.combinations import Combination
from proof.matrix.folders import CHECKOUT, ENVIRONMENTS

_EXTRAS = {"psycopg2": "test", "psycopg3": "test,psycopg3"}
_VERSIONS = """\
import platform, django
from django.db.backends.postgresql.base import Database
print(platform.python_version(), django.__version__, Database.__name__, Database.__version__)
"""


class CannotInstall(Exception):
    """An environment cannot be made. The message says where to read why."""


def python_of(combination: Combination, base: Path, log: Path) -> Path:
    """Return the Python of the combination's environment, made with ``base`` where it is not there.

    What pip says goes to ``log``. An environment is made anew once pyproject.toml has changed.

    Raises CannotInstall.
    """
    folder = ENVIRONMENTS / combination.environment
    python, wanted = folder / "bin/python", (CHECKOUT / "pyproject.toml").read_text()
    stamp = folder / "pyproject.toml"
    if not (stamp.exists() and stamp.read_text() == wanted):
        shutil.rmtree(folder, ignore_errors=True)
        project = f"{CHECKOUT}[{_EXTRAS[combination.driver]}]"
        _run([str(base), "-m", "venv", str(folder)], log)
        install = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
        _run([*install, "--editable", project, f"Django=={combination.django}.*"], log)
        stamp.write_text(wanted)
    return python


def versions_in(python: Path) -> dict[str, str]:
    """Return the exact versions of Python, of Django, and of the driver that Django takes there."""
    done = subprocess.run([python, "-c", _VERSIONS], capture_output=True, text=True, check=True)
    interpreter, django, module, driver = done.stdout.split()[:4]
    return {"python": interpreter, "django": django, "driver": f"{module} {driver}"}


def _run(command: list[str], log: Path) -> None:
    with log.open("ab") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise CannotInstall(f"{' '.join(command[:4])} ended with status {done.returncode}")
