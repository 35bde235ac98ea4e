"""Each benchmark runs on tiny sizes and prints its table. Nothing here looks at the figures."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.checkout import CHECKOUT

TINY = (
    "--rounds=1",
    "--partitions=3",
    "--tables=2",
    "--partitions-each=8",
    "--report-seconds=0.5",
)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("creating", ["3 daily partitions created", "by us, rows recorded"]),
        ("rotation", ["Worst statement during a rotation", "INSERT", "UPDATE", "SELECT"]),
        ("rows", ["Key timestamp: 3 daily partitions", "refresh_from_db()", "Key snowflake:"]),
        ("formats", ["12 partitions created", "maintain() of one table of 12", "epoch_ms"]),
        ("idle", ["Idle pass over 2 tables of 8 partitions", "maintain_all()"]),
    ],
)
def test_a_benchmark_prints_its_table(name: str, words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--only", name, *TINY],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [word for word in words if word not in done.stdout] == []


def test_too_few_partitions_for_an_idle_pass_are_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--partitions-each=3"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "must be at least 8" in done.stderr
