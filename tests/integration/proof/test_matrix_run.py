"""A run of the matrix from the shell, where it has little to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.checkout import CHECKOUT

NEWEST = ("--only=pg=18", "--only=django=6.0", "--only=python=3.14")


def run(tmp_path: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "proof.matrix", *NEWEST],
        cwd=CHECKOUT,
        env=os.environ | {"MATRIX_FOLDER": str(tmp_path), "PYENV_ROOT": str(tmp_path), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_python_that_is_not_here_is_said_and_is_no_success(tmp_path: Path) -> None:
    shim = tmp_path / "python3.14"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    done = run(tmp_path, PATH=str(tmp_path))
    lines = done.stdout.splitlines()
    assert lines[0] == ("PostgreSQL 18, Django 6.0, Python 3.14, psycopg3: not here: Python 3.14.")
    assert lines[-1] == "1 not here."
    assert done.returncode == 1
    (kept,) = tmp_path.glob("runs/*/result.json")
    assert json.loads(kept.read_text())["outcome"] == "not here"


def test_an_environment_that_cannot_be_made_is_a_failure_with_its_log(tmp_path: Path) -> None:
    python = tmp_path / "python3.14"
    python.write_text('#!/bin/sh\n[ "$1" = -c ] && echo 3.14 || { echo no space left; exit 1; }\n')
    python.chmod(0o755)
    done = run(tmp_path, PATH=os.pathsep.join([str(tmp_path), os.environ["PATH"]]))
    log = tmp_path / "runs/18-6.0-3.14-psycopg3/log"
    assert "psycopg3: FAILED" in done.stdout
    assert f"Log: {log}" in done.stdout
    assert log.read_text() == "no space left\n"
    assert done.returncode == 1
