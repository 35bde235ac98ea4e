"""The Dockerfile's own instructions, followed in folders of one's own where there is no Docker.

Translated is only what needs a container: an absolute path is one below a folder, the environment
that is copied between the stages stays where it was made, and no user is added.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from dockerfile_parse import DockerfileParser

from tests.installation.environments import clean
from tests.support.checkout import CHECKOUT
from tests.support.deployed_project import run

USERS = ("useradd", "groupadd")


@dataclass(slots=True, kw_only=True)
class Image:
    """What the instructions have made so far."""

    root: Path
    """The folder that stands for ``/``."""

    workdir: Path
    environ: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)

    def below(self, text: str) -> str:
        """Return instructions with their absolute paths below the root."""
        return text.replace("/venv", str(self.root / "venv"))


def build(root: Path) -> Image:
    """Follow the Dockerfile to its end."""
    image = Image(root=root, workdir=root)
    for each in DockerfileParser(path=str(CHECKOUT / "deploy")).structure:
        _follow(image, each["instruction"], each["value"])
    return image


def _follow(image: Image, instruction: str, value: str) -> None:
    if instruction == "FROM":
        image.environ = _base()
    elif instruction == "ENV":
        pairs = [each.partition("=") for each in shlex.split(value)]
        path = image.environ["PATH"]
        image.environ |= {name: image.below(text).replace("$PATH", path) for name, _, text in pairs}
    elif instruction == "WORKDIR":
        image.workdir = image.root / value.lstrip("/")
        image.workdir.mkdir(parents=True, exist_ok=True)
    elif instruction == "COPY" and not value.startswith("--from="):
        _copy(image.workdir, *shlex.split(value))
    elif instruction == "RUN" and not value.startswith(USERS):
        run(["sh", "-c", image.below(value)], image.environ, image.workdir)
    elif instruction == "CMD":
        image.command = json.loads(value)


def _base() -> dict[str, str]:
    """Return the environment of the base image: a Python, and nothing of the tests' own."""
    folder = Path(sys.base_prefix) / "bin"
    environ = clean()
    return {**environ, "PATH": os.pathsep.join([str(folder), environ["PATH"]])}


def _copy(workdir: Path, *words: str) -> None:
    """Copy files and folders as Docker does: a folder's contents, but for what is ignored."""
    *sources, target = words
    ignored = (CHECKOUT / ".dockerignore").read_text().split()
    for path in [found for each in sources for found in CHECKOUT.glob(each)]:
        if path.is_dir():
            left_out = [
                Path(each).name for each in ignored if each.startswith((f"{path.name}/", "**/"))
            ]
            shutil.copytree(path, workdir / target, ignore=shutil.ignore_patterns(*left_out))
        else:
            shutil.copy(path, workdir / target)
