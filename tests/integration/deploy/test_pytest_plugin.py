"""Servers that a bare ``pytest`` starts, and that it starts none for the unit tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.checkout import CHECKOUT


@pytest.mark.parametrize(
    ("asked", "is_started"),
    [("tests/unit/test_named_paths.py", False), ("tests/integration/deploy", True)],
)
def test_unit_tests_start_no_server(asked: str, is_started: bool, tmp_path: Path) -> None:
    none_here = {"PG_BIN": os.fspath(tmp_path), "DATABASE_URL": ""}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--quiet", asked, "-k", "Makefile"],
        cwd=CHECKOUT,
        env={**os.environ, **none_here},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ("There is no PostgreSQL in PG_BIN" in done.stdout + done.stderr) == is_started
    assert is_started or done.returncode == 0, done.stdout
