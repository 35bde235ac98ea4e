"""The glossary: each word once, and no word that nothing else uses."""

from __future__ import annotations

import re

import pytest

from tests.support.checkout import CHECKOUT

PAGE = CHECKOUT / "docs/glossary.md"
ENTRY = re.compile(r"^- ((?:\*\*[\w ]+\*\*(?:, )?)+):", re.MULTILINE)
WORDS = [
    word
    for entry in ENTRY.findall(PAGE.read_text())
    for word in re.findall(r"\*\*([\w ]+)\*\*", entry)
]
ELSEWHERE = " ".join(
    each.read_text().lower().replace("_", " ")
    for pattern in ("pg_timepart/**/*.py", "docs/*.md", "README.md")
    for each in CHECKOUT.glob(pattern)
    if each != PAGE
)


def test_no_word_has_two_entries() -> None:
    assert len(WORDS) == len(set(WORDS)) > 50


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_used(word: str) -> None:
    assert re.search(rf"\b{re.escape(word.lower())}", ELSEWHERE)


def test_a_word_in_italics_has_an_entry() -> None:
    known = {word.lower() for word in WORDS}
    said = re.findall(r"(?<!\*)\*([\w ]+)\*(?!\*)", PAGE.read_text().replace("*italics*", ""))
    assert [
        each for each in said if not {each.lower(), each.lower().removesuffix("s")} & known
    ] == []
