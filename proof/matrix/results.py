"""Results of the combinations, each kept in a file beside its log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from xml.etree import ElementTree

from proof.matrix.combinations import Combination
from proof.matrix.folders import RUNS


class Outcome(StrEnum):
    """How a combination ended."""

    PASSED = "passed"
    FAILED = "FAILED"
    NOT_HERE = "not here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run of the tests on one combination found."""

    combination: Combination
    outcome: Outcome
    why: str = ""
    """What failed, or is not here."""

    releases: Mapping[str, str]
    """The exact versions, by factor; empty where it did not come to that."""

    passed: int = 0
    skipped: int = 0
    failed: int = 0
    seconds: float = 0.0

    @property
    def counts(self) -> str:
        """Such as ``1,737 passed, 1 skipped``."""
        numbers = {"passed": self.passed, "failed": self.failed, "skipped": self.skipped}
        return ", ".join(f"{number:,} {word}" for word, number in numbers.items() if number)


def folder_of(combination: Combination) -> Path:
    """Return the folder of the combination's log and result; it need not exist."""
    return RUNS / combination.name


def log_of(combination: Combination) -> Path:
    """Return the file with all that pip and pytest said."""
    return folder_of(combination) / "log"


def counted(report: Path) -> dict[str, int]:
    """Return how many tests passed, failed and were skipped by pytest's report in JUnit's XML."""
    totals = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for suite in ElementTree.parse(report).iter("testsuite"):
        for name in totals:
            totals[name] += int(suite.get(name, 0))
    failed = totals["failures"] + totals["errors"]
    passed = totals["tests"] - failed - totals["skipped"]
    return {"passed": passed, "failed": failed, "skipped": totals["skipped"]}


def keep(result: Result, code: str) -> None:
    """Write the result down, with the ``code`` that it is a result of."""
    fields = {"code": code, **asdict(result)}
    _file_of(result.combination).write_text(json.dumps(fields, indent=1))


def kept(combination: Combination, code: str) -> Result | None:
    """Return the result that was kept of this ``code``, or None."""
    file = _file_of(combination)
    fields = json.loads(file.read_text()) if file.exists() else {}
    if fields.pop("code", None) != code:
        return None
    combined, outcome = Combination(**fields.pop("combination")), Outcome(fields.pop("outcome"))
    return Result(combination=combined, outcome=outcome, **fields)


def _file_of(combination: Combination) -> Path:
    return folder_of(combination) / "result.json"
