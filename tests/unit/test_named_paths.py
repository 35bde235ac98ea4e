"""Files, folders, modules and headings that Makefile, continuous integration and documents name."""

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

PACKAGES = "|".join(each.parent.name for each in CHECKOUT.glob("pg_timepart/*/__init__.py"))
MODULE = re.compile(rf"`((?:{PACKAGES})/[\w/]+)`")
"""As the documents name one, without the folder of the whole package."""


@pytest.mark.parametrize("naming", NAMING, ids=lambda path: path.name)
def test_they_are_there(naming: Path) -> None:
    named = set(PATH.findall(naming.read_text()))
    assert [each for each in named if not (CHECKOUT / each).exists()] == []


@pytest.mark.parametrize("naming", NAMING, ids=lambda path: path.name)
def test_modules_are_there(naming: Path) -> None:
    package = CHECKOUT / "pg_timepart"
    named = set(MODULE.findall(naming.read_text()))
    places = {*(each.with_suffix("") for each in package.rglob("*.py")), *package.rglob("*/")}
    assert [each for each in named if package / each not in places] == []


def anchors(page: Path) -> set[str]:
    """Return the headings of a page as GitHub writes them in links."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("naming", NAMING[2:], ids=lambda path: path.name)
def test_links_lead_to_a_page_and_a_heading_of_it(naming: Path) -> None:
    for path, anchor in re.findall(r"\]\(([^()#:]*)(?:#([^()]*))?\)", naming.read_text()):
        page = naming.parent / path if path else naming
        assert page.exists(), path
        assert not anchor or anchor in anchors(page), f"{path}#{anchor}"
