"""Browser session in a headless Chromium: opens pages in sizes and themes, and checks them."""

from __future__ import annotations

import os
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.checkout import CHECKOUT

WIDTHS = (1280, 390)
THEMES = ("light", "dark")
PATIENCE_SECONDS = 30
SCREENSHOTS = CHECKOUT / ".screenshots"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DRIVER = "chromedriver"

# The admin scrolls within an element of its own.
HEIGHT = """
return Math.max(...[...document.querySelectorAll('html, #container, .main, #content')]
    .map(each => each.scrollHeight))
"""


def installed_browser() -> str | None:
    """Return the browser on the PATH that has a driver beside it, or None."""
    found = (shutil.which(name) for name in BROWSERS)
    return next((each for each in found if each and shutil.which(DRIVER)), None)


class Browser:
    """One window."""

    def __init__(self, program: str, home: str) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = program
        for argument in ("--headless=new", "--disable-dev-shm-usage", "--hide-scrollbars"):
            options.add_argument(argument)
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which(DRIVER)))
        self.home = home

    def close(self) -> None:
        """End the browser."""
        self.driver.quit()

    def go(self, path: str) -> None:
        """Open a page of the site."""
        self.driver.get(f"{self.home}{path}")

    def find(self, selector: str) -> WebElement:
        """Return the first element of a CSS selector."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def count(self, selector: str) -> int:
        """Return how many elements a CSS selector has."""
        return len(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def fill(self, selector: str, text: str) -> None:
        """Write into a field what it shall hold."""
        field = self.find(selector)
        field.clear()
        field.send_keys(text)

    def choose(self, selector: str, value: str) -> None:
        """Choose an option of a select by its value."""
        self.find(f'{selector} option[value="{value}"]').click()

    def tick(self, selector: str) -> None:
        """Click what leads nowhere, such as a checkbox."""
        element = self.find(selector)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def press(self, selector: str) -> None:
        """Press a button or a link, and wait for the next page."""
        page = self.find("html")
        self.tick(selector)
        WebDriverWait(self.driver, PATIENCE_SECONDS).until(staleness_of(page))

    def wait_for(self, selector: str) -> WebElement:
        """Return the element, once it is there."""
        return WebDriverWait(self.driver, PATIENCE_SECONDS).until(lambda _: self.find(selector))

    def text(self) -> str:
        """Return all that the page says."""
        return self.find("body").text

    def show(self, width: int, theme: str, height: int | None = None) -> None:
        """Show the page in this size and theme; as high as it is where no height is given."""
        self.driver.execute_script("document.documentElement.dataset.theme = arguments[0]", theme)
        self._size(width, height or 900)
        if height is None:
            self._size(width, min(self.driver.execute_script(HEIGHT) + 40, 4_000))

    def overflow(self) -> int:
        """Return how many pixels of the page are right of the window."""
        width: int = self.driver.execute_script(
            "return document.documentElement.scrollWidth - window.innerWidth"
        )
        return width

    def faults(self) -> list[str]:
        """Return the serious faults of accessibility that axe-core finds."""
        script = files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
        self.driver.execute_script(script)
        found: Any = self.driver.execute_async_script("axe.run().then(arguments[0])")
        return [
            f"{each['id']}: {[node['html'][:200] for node in each['nodes']]}"
            for each in found["violations"]
            if each["impact"] in {"serious", "critical"}
        ]

    def save(self, name: str) -> Path:
        """Write a picture of the page to the ignored folder, and return where it is."""
        SCREENSHOTS.mkdir(exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.driver.save_screenshot(str(path))
        return path

    def run_scripts(self, *, allowed: bool) -> None:
        """Let pages run JavaScript, or not."""
        self._command("Emulation.setScriptExecutionDisabled", value=not allowed)

    def _size(self, width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._command("Emulation.setDeviceMetricsOverride", **metrics)

    def _command(self, name: str, **values: Any) -> None:
        self.driver.execute_cdp_cmd(name, values)
