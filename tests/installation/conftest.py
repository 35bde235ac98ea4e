"""The wheel and the source distribution, built once for a session of the long tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.installation.environments import clean, empty_environment, pip
from tests.support.checkout import CHECKOUT
from tests.support.deployed_project import run


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltPackages:
    """What would be published."""

    wheel: Path
    sdist: Path
    wheel_of_sdist: Path


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltPackages:
    """Build the wheel and the sdist of this checkout, and a wheel from the sdist."""
    folder = tmp_path_factory.mktemp("built")
    python = empty_environment(folder / "builder")
    pip(python, "install", "build")
    build = [str(python), "-m", "build"]
    run([*build, "--wheel", "--sdist", f"--outdir={folder}", str(CHECKOUT)], clean(), folder)
    (sdist,) = folder.glob("*.tar.gz")
    (wheel,) = folder.glob("*.whl")
    again = folder / "again"
    pip(python, "wheel", "--no-deps", f"--wheel-dir={again}", str(sdist))
    (wheel_of_sdist,) = again.glob("*.whl")
    return BuiltPackages(wheel=wheel, sdist=sdist, wheel_of_sdist=wheel_of_sdist)
