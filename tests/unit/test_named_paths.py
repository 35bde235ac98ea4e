"""The files and folders that the Makefile, the continuous integration and the documents name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.checkout import CHECKOUT

NAMING = (
    CHECKOUT / ".ci/run",
    CHECKOUT / "Makefile",
    *CHECKOUT.glob("*.md"),
    *CHECKOUT.glob("docs/*.md"),
)
PATH = re.compile(r"(?<![\w/.-])(?:tests|proof|bench|deploy|pg_timepart)/[\w/.-]*\w")


@pytest.mark.parametrize("naming", NAMING, ids=lambda path: path.name)
def test_they_are_there(naming: Path) -> None:
    named = set(PATH.findall(naming.read_text()))
    assert [each for each in named if not (CHECKOUT / each).exists()] == []
