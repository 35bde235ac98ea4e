"""Runs of one suite of Django's tests on our server, without and with pg_timepart, at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from proof.django_suite.backends import DJANGO_S, Backend
from proof.django_suite.comparison import Comparison, Record
from proof.django_suite.environments import Environment
from proof.django_suite.errors import SuiteError
from proof.django_suite.expected import EXPECTED
from proof.django_suite.folders import ROOT, last_words

OURS = "django_celery_beat pg_timepart"
PARTITIONING = f"{OURS} proof.django_suite.partitioned"


@dataclass(frozen=True, slots=True, kw_only=True)
class _SuiteRun:
    """One of the two runs."""

    suite: str
    name: str
    apps: str
    backend: Backend
    folder: Path
    partitioned: str = ""
    """The apps of the tests whose models are partitioned."""

    @property
    def record(self) -> Path:
        return self.folder / f"{self.name}.json"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"


def compare(
    suite: str,
    environment: Environment,
    tests: Path,
    backend: Backend = DJANGO_S,
    *,
    is_partitioned: bool = False,
) -> Comparison:
    """Run a suite, or a part of one by its dotted name, both ways, and return how that went.

    ``is_partitioned`` partitions the suite's models in the run with pg_timepart.

    Raises SuiteError when a run ends before its tests do.
    """
    with tempfile.TemporaryDirectory(prefix="django-suite-") as scratch:
        folder = Path(scratch)
        apps = PARTITIONING if is_partitioned else OURS
        without = _SuiteRun(suite=suite, name="without", apps="", backend=backend, folder=folder)
        labels = suite.partition(".")[0] if is_partitioned else ""
        including = replace(without, name="with", apps=apps, partitioned=labels)
        with ExitStack() as stack:
            begun = [
                stack.enter_context(_started(each, environment, tests))
                for each in (without, including)
            ]
            for process in begun:
                process.wait()
        return Comparison(
            suite=suite,
            without=_record_of(without),
            including=_record_of(including),
            is_partitioned=is_partitioned,
            expected=EXPECTED if is_partitioned else {},
        )


@contextmanager
def _started(
    run: _SuiteRun, environment: Environment, tests: Path
) -> Iterator[subprocess.Popen[bytes]]:
    command = [
        *(str(environment.python), "runtests.py", "--settings=proof.django_suite.settings"),
        *("--parallel=1", "--noinput", run.suite),
    ]
    with run.log.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=tests,
            env=_variables(run, environment.python),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _variables(run: _SuiteRun, python: Path) -> dict[str, str]:
    folders = (ROOT, run.backend.folder(python))
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(each) for each in folders if each),
        "DJANGO_SUITE_ENGINE": run.backend.engine,
        "DJANGO_SUITE_APPS": run.apps,
        "DJANGO_SUITE_PARTITIONED": run.partitioned,
        "DJANGO_SUITE_DATABASE": f"django_suite_{os.getpid()}_{run.name}",
        "DJANGO_SUITE_RECORD": str(run.record),
    }


def _record_of(run: _SuiteRun) -> Record:
    if not run.record.exists():
        said = last_words(run.log.read_text(errors="replace"))
        raise SuiteError(f"{run.suite} {run.name} pg_timepart did not get to its tests: {said}")
    return Record(**json.loads(run.record.read_text()))
