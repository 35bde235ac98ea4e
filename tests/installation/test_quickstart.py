"""The README's quickstart runs as it stands, from ``startproject`` to a task's result."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.installation.quickstart import assert_rotates, quickstart_user
from tests.support.deployed_project import VENV_BIN


def test_the_quickstart_runs_as_it_stands(tmp_path: Path) -> None:
    with quickstart_user(tmp_path, VENV_BIN) as person, ExitStack() as stack:
        services = person.follow(stack, installed=True)

        assert_rotates(person, services)
