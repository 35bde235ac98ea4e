"""Ships whose names are markup, on the pages of the admin."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

from django.test import Client
from hypothesis import strategies as st

from pg_timepart.constants import PeriodType
from tests.hostile.values import MOMENTS, marked, texts

MARKUP = marked("<script>alert(1)</script>")
"""An attached partition, and a tablespace."""

OFF_MARKUP = marked('"><script>alert(1)</script>')
"""A detached partition."""

ANSWERS = {200, 302, 400, 403, 404}

Fields = dict[str, str | list[str]]

values = st.one_of(
    texts,
    st.sampled_from(("", "1", "0", "-1", "1e9", "9" * 40, "on", "\x00", "a\x00b", *MOMENTS)),
    st.sampled_from((*PeriodType.values, "interval", "crontab", "move", "create", "attach")),
    st.sampled_from((MARKUP, OFF_MARKUP)),
)


class _Page(HTMLParser):
    """What a page has in its hidden inputs, and in its code elements."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden: list[tuple[str, str]] = []
        self.code: list[str] = []
        self._is_code = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = {name: value or "" for name, value in attrs}
        if facts.get("type") == "hidden" and facts["name"] != "csrfmiddlewaretoken":
            self.hidden.append((facts["name"], facts["value"]))
        self._is_code = tag == "code"

    def handle_endtag(self, _tag: str) -> None:
        self._is_code = False

    def handle_data(self, data: str) -> None:
        if self._is_code:
            self.code.append(data)


def read(response: Any) -> _Page:
    """Return what a browser finds on the page."""
    page = _Page()
    page.feed(response.content.decode())
    page.close()
    return page


def pairs(fields: Fields) -> list[tuple[str, str]]:
    """Return the fields as a browser sends them."""
    lists = ((name, [each] if isinstance(each, str) else each) for name, each in fields.items())
    return [(name, value) for name, found in lists for value in found]


def submit(client: Client, address: str, sent: list[tuple[str, str]]) -> Any:
    """Send a form, whose names may be of any kind too; assert that it is answered safely."""
    kind = "application/x-www-form-urlencoded"
    response: Any = client.post(address, urlencode(sent), content_type=kind)
    answered(response)
    return response


def answered(response: Any) -> None:
    """Assert that there is an answer, in which nothing that was given is markup."""
    assert response.status_code in ANSWERS, (response.status_code, response.request)
    assert "<script>alert(1)" not in response.content.decode()


def overridden(whole: st.SearchStrategy[Fields], fields: tuple[str, ...]) -> Any:
    """Return whole forms, two in three of them with a hostile value in a field or two."""
    hostile = st.dictionaries(st.sampled_from(fields), values, max_size=2)
    return st.builds(lambda form, over: {**form, **over}, whole, hostile)
