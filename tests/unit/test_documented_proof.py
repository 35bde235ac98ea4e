"""docs/proof.md names what is there."""

from __future__ import annotations

import re

from tests.support.checkout import CHECKOUT

PAGE = (CHECKOUT / "docs" / "proof.md").read_text(encoding="utf-8")


def test_every_named_test_is_there() -> None:
    named = re.findall(r"`(tests/[\w/.]+)`", PAGE)
    assert len(named) > 20
    assert [each for each in named if not (CHECKOUT / each).exists()] == []


def test_every_named_target_is_there() -> None:
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"`make ([\w-]+)`", PAGE))
    assert len(targets) > 8
    assert [each for each in targets if f"\n{each}: " not in makefile] == []


def test_every_claim_of_the_readme_has_its_row() -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    section = readme.split("## What is guaranteed")[1].split("\n## ")[0]
    claims = re.findall(r"^(\d+)\. \*\*", section, re.MULTILINE)
    assert len(claims) == 7
    assert [each for each in claims if f"\n| {each}. " not in PAGE] == []
