"""The admin in a real browser, with a real worker behind it."""

from __future__ import annotations

import pytest

from tests.browser.browser_session import THEMES, WIDTHS, Browser
from tests.browser.site import Site

CONFIGS = "/admin/pg_timepart/partitionconfig/"
RUNS = "/admin/pg_timepart/partitionrun/"
PLANNED = ".timepart-bar-planned"
ATTACHED = ".timepart-bar-attached"
ENDED = '#timepart-progress[data-ended="yes"]'


@pytest.fixture
def page(browser: Browser) -> str:
    """The address of the config's page, which is open."""
    browser.go(CONFIGS)
    rows = browser.driver.find_elements("css selector", "#result_list th.field-model_label a")
    (link,) = [each for each in rows if each.text == "traffic.webevent"]
    address = link.get_attribute("href")
    assert address is not None
    path = address.removeprefix(browser.home)
    browser.go(path)
    return path


def names(browser: Browser, state: str) -> list[str]:
    """Return the partitions in this state, the newest first."""
    rows = browser.driver.find_elements("css selector", f'tr[data-state="{state}"]')
    return [each.find_elements("tag name", "td")[1].text for each in rows]


def follow(browser: Browser) -> str:
    """Follow the run that was just sent to its end; return what its page says."""
    browser.press(".messagelist .success a")
    browser.wait_for(ENDED)
    return browser.text()


@pytest.mark.parametrize(
    ("name", "width", "height"), [("list", 1920, 540), ("timeline", 1280, 900)]
)
def test_pictures_for_the_readme_are_taken(
    browser: Browser, page: str, name: str, width: int, height: int
) -> None:
    browser.go(CONFIGS if name == "list" else page)
    browser.show(width, "light", height)
    assert browser.save(f"readme-{name}").stat().st_size > 10_000


def test_a_schedule_is_changed_in_place(browser: Browser, site: Site, page: str) -> None:
    browser.fill("#id_schedule-every", "7")
    browser.choose("#id_schedule-unit", "minutes")
    browser.press("#timepart-schedule button")
    browser.wait_for(".messagelist .success")
    assert "The schedule is now: every 7 minutes." in browser.text()
    assert site.state()["schedule"] == "every 7 minutes"


def test_a_pass_changes_the_timeline(browser: Browser, page: str) -> None:
    planned, attached = browser.count(PLANNED), browser.count(ATTACHED)
    assert planned > 0
    browser.press('button[value="maintain"]')
    said = follow(browser)
    assert "done" in said
    assert "room ahead" in said
    browser.go(page)
    assert browser.count(f"svg:first-of-type {PLANNED}") == 0
    assert browser.count(ATTACHED) > attached


def test_a_run_is_followed_without_scripts(browser: Browser, page: str) -> None:
    before = len(names(browser, "attached"))
    browser.run_scripts(allowed=False)
    try:
        browser.go(page)
        browser.fill("#timepart-days", "15")
        browser.press('button[value="create"]')
        assert "done" in follow(browser)
        browser.go(page)
        assert len(names(browser, "attached")) > before
    finally:
        browser.run_scripts(allowed=True)


def test_a_partition_is_attached_back_with_a_pin(browser: Browser, page: str) -> None:
    name = names(browser, "detached")[0]
    browser.tick(f'input[value$=":{name}"]')
    browser.driver.execute_script(
        "document.querySelector('#timepart-pinned_until').value = '2099-01-01T00:00'"
    )
    browser.press('button[value="attach"]')
    assert "done" in follow(browser)
    browser.go(page)
    assert name in names(browser, "attached")
    assert "pinned until 2099-01-01" in browser.text()


def test_a_partition_is_dropped_once_its_name_is_typed(
    browser: Browser, site: Site, page: str
) -> None:
    name = names(browser, "detached")[-1]
    browser.tick(f'input[value$=":{name}"]')
    browser.press('button[value="drop"]')
    assert "will be dropped with their rows, for good" in browser.text()
    browser.fill("#timepart-typed", "something else")
    browser.press(".timepart-danger")
    assert "That is not what is asked for." in browser.text()
    assert name in site.state()["partitions"]
    browser.fill("#timepart-typed", name)
    browser.press(".timepart-danger")
    assert "done" in follow(browser)
    assert name not in site.state()["partitions"]
    browser.go(page)
    assert name not in browser.text()


def test_a_change_of_retention_is_looked_at_and_saved(browser: Browser, page: str) -> None:
    browser.fill("[name=interval]", "12")
    browser.press("[name=_save]")
    assert "Nothing is saved yet." in browser.text()
    assert "past retention" in browser.text()
    browser.press('.submit-row [value="Save"]')
    browser.wait_for(".messagelist .success")
    browser.go(page)
    assert browser.find("[name=interval]").get_attribute("value") == "12"


@pytest.mark.parametrize(
    "name", ["configs", "config", "confirmation", "preview", "runs", "run", "followed"]
)
def test_pages_fit_and_can_be_used_by_everyone(browser: Browser, page: str, name: str) -> None:
    open_page(browser, page, name)
    for theme in THEMES:
        for width in WIDTHS:
            browser.show(width, theme)
            browser.save(f"{name}-{theme}-{width}")
            assert browser.overflow() <= 0, (name, theme, width)
            assert browser.faults() == [], (name, theme, width)


def open_page(browser: Browser, page: str, name: str) -> None:
    """Open one of the pages; the fixture has opened the config's."""
    if name == "configs":
        browser.go(CONFIGS)
    elif name == "confirmation":
        browser.tick('tr[data-state="detached"] input')
        browser.press('button[value="drop"]')
    elif name == "preview":
        browser.fill("[name=premake]", "20")
        browser.press("[name=_save]")
    elif name == "followed":
        browser.press('button[value="maintain"]')
        follow(browser)
    elif name in {"runs", "run"}:
        browser.go(RUNS)
    if name == "run":
        browser.press("#result_list tbody th a")
