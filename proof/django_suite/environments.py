"""Environments of the tests: the installed Python and Django, or others made for a run."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from proof.django_suite.folders import KEPT, ROOT, run_quietly

_VERSIONS = """
import json, platform, django, psycopg2
print(json.dumps([platform.python_version(), django.__version__, psycopg2.__version__.split()[0]]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An interpreter that has Django and pg_timepart."""

    python: Path
    python_version: str
    django_version: str
    driver_version: str

    def __str__(self) -> str:
        return (
            f"Python {self.python_version}, Django {self.django_version},"
            f" psycopg2 {self.driver_version}"
        )


def this_environment() -> Environment:
    """Return the one that runs this."""
    return _described(Path(sys.executable))


def environment_with(django: str, python: str) -> Environment:
    """Return an environment of its own, made or brought up to date, kept for the next time.

    ``django`` is a release such as 6.0.1, or a series such as 6.0, of which the newest is taken;
    ``python`` the interpreter to make it with.

    Raises SuiteError where that Python cannot have that Django, or there is no network.
    """
    release = run_quietly([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
    folder = KEPT / f"environment-{django}-{release.strip()}"
    if not (folder / "bin" / "python").exists():
        run_quietly([python, "-m", "venv", folder])
    own = folder / "bin" / "python"
    wanted = f"Django=={django}.*" if django.count(".") < 2 else f"Django=={django}"
    run_quietly([own, "-m", "pip", "install", "--editable", f"{ROOT}[deploy]", wanted])
    return _described(own)


def _described(python: Path) -> Environment:
    found = run_quietly([python, "-c", _VERSIONS])
    python_version, django_version, driver_version = json.loads(found)
    return Environment(
        python=python,
        python_version=python_version,
        django_version=django_version,
        driver_version=driver_version,
    )
