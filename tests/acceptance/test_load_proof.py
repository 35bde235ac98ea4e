"""The proof under load, shortened: real workers and beats, and every row accounted for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.support.checkout import CHECKOUT

SHORT = (
    *("--tables=3", "--rotations=3", "--minutes=0.1", "--quiet-minutes=0.03"),
    *("--workers=2", "--beats=2", "--pass-seconds=1", "--grace-seconds=3"),
    *("--rate=60", "--writers=2", "--readers=1", "--rows-a-partition=20"),
    *("--report-seconds=1", "--long-report-seconds=2", "--report-every-seconds=3"),
)
PARTS = r"^{}.* +(\d+) +(\d+) +(\d+) +(\d+)$"


def test_every_table_rotates_and_every_row_is_found(tmp_path: Path) -> None:
    file = tmp_path / "report.txt"
    done = subprocess.run(
        [sys.executable, "-m", "proof.load", *SHORT, f"--report={file}"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    said = done.stdout
    assert done.returncode == 0, said + done.stderr
    assert file.read_text() == said
    assert said.endswith("All as it must be.\n")
    for label in ("load.t00", "load.t01", "load.t02"):
        created, detached, _moved, _dropped = _figures(PARTS.format(label), said)
        assert created >= 3
        assert detached >= 3
    assert _figures(PARTS.format("all"), said)[3] >= 2
    (written,) = _figures(r"^Rows written and acknowledged +([\d,]+)$", said)
    found = re.findall(r"^  found .* ([\d,]+)$", said, re.M)
    assert written == sum(map(_number, found)) > 3 * 20 * 6
    assert "lost 0, double 0, not acknowledged and there 0, refused 0" in said


def _figures(pattern: str, said: str) -> list[int]:
    match = re.search(pattern, said, re.M)
    assert match is not None, said
    return [_number(each) for each in match.groups()]


def _number(text: str) -> int:
    return int(text.replace(",", ""))
