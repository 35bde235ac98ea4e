"""Findings have stable codes: each is documented, made somewhere, and told in JSON."""

from __future__ import annotations

import re
from pathlib import Path

from pg_timepart.findings import Code, Finding, Severity, findings_as_json, sentences

ROOT = Path(__file__).parents[2]
FULL = Finding(Code.NO_ROOM, "No partition covers now.")


def test_each_code_is_documented_with_its_severity() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", (ROOT / "docs" / "findings.md").read_text(), re.M)

    assert sorted(rows) == sorted((each.value, each.severity.value) for each in Code)


def test_each_code_is_made_somewhere() -> None:
    sources = [each for each in (ROOT / "pg_timepart").rglob("*.py") if each.name != "findings.py"]
    used = {name for each in sources for name in re.findall(r"\bCode\.(\w+)", each.read_text())}

    assert used == {each.name for each in Code}


def test_a_finding_is_its_sentence_and_has_the_severity_of_its_code() -> None:
    assert (str(FULL), FULL.severity) == ("No partition covers now.", Severity.CRITICAL)
    assert sentences([FULL, FULL]) == "No partition covers now. No partition covers now."


def test_a_redacted_finding_repeats_no_message() -> None:
    failed = Finding(Code.LAST_RUN_FAILED, "It failed: secret", without_message="It failed.")

    assert (str(failed.redacted()), FULL.redacted()) == ("It failed.", FULL)


def test_json_keeps_the_lists_of_sentences_and_adds_the_codes() -> None:
    assert findings_as_json(problems=[FULL], notes=[]) == {
        "problems": ["No partition covers now."],
        "notes": [],
        "findings": [
            {
                "list": "problems",
                "code": "no_room",
                "severity": "critical",
                "sentence": "No partition covers now.",
            }
        ],
    }
