"""Process that runs the tests on one combination."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from deploy.local.binaries import PostgresPrograms, find_redis
from deploy.local.errors import ServiceError
from deploy.local.npm import provide_postgres
from proof.matrix import environments
from proof.matrix.combinations import Combination
from proof.matrix.folders import CHECKOUT
from proof.matrix.pythons import find_python
from proof.matrix.results import Outcome, Result, counted, folder_of, log_of

_ALL_BUT = ("tests/acceptance", "tests/browser")
TESTS = (*(f"--ignore={each}" for each in _ALL_BUT), "--numprocesses=4", "--dist=loadfile")
_CODE = ("pg_timepart", "deploy", "bench", "proof", "tests", "pyproject.toml")


def run(combination: Combination, arguments: list[str]) -> Result:
    """Run the tests and return how it ended. ``arguments`` are pytest's, TESTS if there are none.

    Its folder is emptied first, and has the log afterwards.
    """
    shutil.rmtree(folder_of(combination), ignore_errors=True)
    folder_of(combination).mkdir(parents=True)
    base = find_python(combination.python)
    if base is None:
        return _ended(combination, Outcome.NOT_HERE, f"Python {combination.python}")
    try:
        programs = provide_postgres(combination.pg)
    except ServiceError as error:
        return _ended(combination, Outcome.NOT_HERE, str(error))
    try:
        python = environments.python_of(combination, base, log_of(combination))
    except environments.CannotInstall as error:
        return _ended(combination, Outcome.FAILED, str(error))
    return _tested(combination, python, programs, arguments or list(TESTS))


def fingerprint() -> str:
    """Return what changes with any of the code that is run."""
    digest = hashlib.sha256()
    for name in _CODE:
        place = CHECKOUT / name
        files = sorted(place.rglob("*.*")) if place.is_dir() else [place]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(str(file.relative_to(CHECKOUT)).encode() + file.read_bytes())
    return digest.hexdigest()


def _tested(
    combination: Combination, python: Path, programs: PostgresPrograms, arguments: list[str]
) -> Result:
    report = folder_of(combination) / "report.xml"
    releases = {"pg": _release(programs), **environments.versions_in(python)}
    command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", f"--junit-xml={report}"]
    started = time.monotonic()
    status = _status([*command, *arguments], _environ(combination), log_of(combination))
    return Result(
        combination=combination,
        outcome=Outcome.FAILED if status else Outcome.PASSED,
        why=f"pytest ended with status {status}" if status else "",
        releases=releases,
        seconds=time.monotonic() - started,
        **(counted(report) if report.exists() else {}),
    )


def _status(command: list[str], environ: dict[str, str], log: Path) -> int:
    """Run pytest and return its exit status. If we are ended, it stops its servers first."""
    with (
        log.open("ab") as output,
        subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as pytest,
    ):
        try:
            return pytest.wait()
        except BaseException:
            pytest.send_signal(signal.SIGINT)
            raise


def _environ(combination: Combination) -> dict[str, str]:
    """Return the environment of pytest: its servers are its own, of the combination's version."""
    given = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DATABASE_URL", "REDIS_URL", "PG_BIN")
    }
    path = os.pathsep.join([str(find_redis().parent), os.environ["PATH"]])
    return given | {"PG_VERSION": combination.pg, "PATH": path}


def _release(programs: PostgresPrograms) -> str:
    """Return such as ``14.23``."""
    answer = subprocess.run(
        [programs.path("postgres"), "--version"], capture_output=True, text=True, check=True
    )
    found = re.search(r"\) (\S+)", answer.stdout)
    return found[1] if found else answer.stdout.strip()


def _ended(combination: Combination, outcome: Outcome, why: str) -> Result:
    return Result(combination=combination, outcome=outcome, why=why, releases={})
