"""Programs of Debian's packages without root: fetched, and unpacked into a folder of ours."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .errors import ServiceError
from .folders import ROOT
from .locks import waiting_lock

FETCH_SECONDS = 180
_INSTALLED = "/var/lib/dpkg/status"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program, and where the libraries are that the machine lacks."""

    path: Path
    libraries: tuple[Path, ...] = ()

    @property
    def command(self) -> tuple[str, ...]:
        """The words that run it; arguments go after them."""
        if not self.libraries:
            return (str(self.path),)
        folders = ":".join(map(str, self.libraries))
        return ("env", f"LD_LIBRARY_PATH={folders}", str(self.path))


def unpacked(package: str, inside: str, root: Path = ROOT / "packages") -> Program:
    """Return the program ``inside`` a package, which is fetched and unpacked the first time.

    What the package needs and the machine lacks comes along. Raises ServiceError where there is
    no apt-get, or where it does not reach its servers.
    """
    folder = root / package
    root.mkdir(parents=True, exist_ok=True)
    with waiting_lock(root / "lock"):
        if not folder.exists():
            _fetch(package, root)
    return Program(path=folder / inside, libraries=_libraries(folder))


def _fetch(package: str, root: Path) -> None:
    """Make the folder of a package, whole or not at all."""
    for program in ("apt-get", "dpkg"):
        if shutil.which(program) is None:
            raise ServiceError(f"{package} cannot be fetched: there is no {program} here.")
    work = root / f"{package}.new"
    shutil.rmtree(work, ignore_errors=True)
    for each in ("state/lists/partial", "cache/archives/partial", "files"):
        (work / each).mkdir(parents=True)
    apt = _apt(work)
    _run([*apt, "update"])
    _run([*apt, "install", "--yes", "--no-install-recommends", "--download-only", package])
    for archive in sorted((work / "cache" / "archives").glob("*.deb")):
        _run(["dpkg", "--extract", str(archive), str(work / "files")])
    (work / "files").rename(root / package)
    shutil.rmtree(work)


def _apt(work: Path) -> list[str]:
    """Return apt-get with its lists and archives in ``work``, as any user may run it."""
    options = {
        "Dir::State": work / "state",
        "Dir::State::status": _INSTALLED,
        "Dir::Cache": work / "cache",
        "Debug::NoLocking": "1",
        "APT::Sandbox::User": "root",
        "Acquire::Retries": "2",
        "Acquire::http::Timeout": "20",
    }
    return [
        "apt-get",
        "--quiet=2",
        *(f"--option={name}={value}" for name, value in options.items()),
    ]


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=FETCH_SECONDS,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ServiceError(f"{command[0]} was not done after {FETCH_SECONDS} seconds.") from error
    if done.returncode != 0:
        said = " / ".join(done.stderr.strip().splitlines()[-3:])
        raise ServiceError(f"{command[0]} failed with status {done.returncode}: {said}")


def _libraries(folder: Path) -> tuple[Path, ...]:
    found = {each.parent for each in folder.glob("**/lib/**/*.so.*")}
    return tuple(sorted(found))
