from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.browser_session import Browser, installed_browser
from tests.browser.site import PASSWORD, USER, Site, running_site


@pytest.fixture(scope="session")
def program() -> str:
    """The browser; skips where there is none."""
    found = installed_browser()
    if found is None:
        pytest.skip("needs Chromium: apt-get install chromium chromium-driver")
    return found


@pytest.fixture(scope="session")
def site(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="session")
def browser(site: Site, program: str) -> Iterator[Browser]:
    """A browser in which the operator is signed in."""
    browser = Browser(program, site.url)
    try:
        browser.go("/admin/")
        browser.fill("[name=username]", USER)
        browser.fill("[name=password]", PASSWORD)
        browser.press("[type=submit]")
        browser.wait_for("#user-tools")
        yield browser
    finally:
        browser.close()
