"""Every link that a page shows answers who it is shown to, and no page tells what it should not."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pg_timepart.models import PartitionConfig, PartitionRun
from tests.apps.fleet.models import Ship
from tests.support.admin_client import CONFIGS, RUNS, key_of, no_users_left, page_of, signed_in
from tests.support.celery_messages import CeleryInMemory
from tests.support.database import Database

SECRET = "pid 17 of the user accounting holds a lock"
RUN = "view_partitionrun"
KINDS: dict[str, tuple[str, ...]] = {
    "viewer": ("view_partitionconfig",),
    "operator": ("view_partitionconfig", "operate_partitionconfig"),
    "dropper": ("view_partitionconfig", "drop_partitionconfig"),
    "editor": ("change_partitionconfig", "delete_partitionconfig"),
    "reader of runs": (RUN,),
    "dropper who sees runs": ("change_partitionconfig", "drop_partitionconfig", RUN),
    "stranger": ("operate_partitionconfig", "drop_partitionconfig"),
}
ELSEWHERE = ("/logout/", "/password_change/", "/jsi18n/")


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


def links(page: str, address: str) -> dict[str, str]:
    """Return the addresses in our admin that a page links to, one for each path."""
    parser = _Links()
    parser.feed(page)
    found = [urldefrag(urljoin(address, each)).url for each in parser.found]
    paths = {urlsplit(each).path: each for each in found}
    return {
        path: each
        for path, each in paths.items()
        if path.startswith("/admin/") and not path.endswith(ELSEWHERE)
    }


def walk(client: Client) -> dict[str, str]:
    """Follow the links from the front page on; return all pages by their paths."""
    pages: dict[str, str] = {}
    left = {reverse("admin:index"): reverse("admin:index")}
    while left:
        path, address = left.popitem()
        response = client.get(address, follow=True)
        assert response.status_code == 200, f"{address} answers {response.status_code}"
        pages[path] = response.content.decode()
        found = links(pages[path], address)
        left |= {path: each for path, each in found.items() if path not in pages}
        assert len(pages) < 150, "the walk has no end"
    return pages


@pytest.fixture
def config(database: Database) -> Iterator[PartitionConfig]:
    config = database.configure(Ship, premake=1)
    first, _ = database.cover(Ship, "2020-01-01", "2020-02-01", "2020-03-01")
    first.detach()
    moment = timezone.now()
    PartitionConfig.objects.filter(pk=config.pk).update(
        last_outcome="failed", last_message=SECRET, last_run_at=moment, last_checked_at=moment
    )
    PartitionRun.objects.filter(model_label="fleet.ship").update(message=SECRET)
    with no_users_left():
        yield config


@pytest.mark.parametrize("codenames", KINDS.values(), ids=KINDS)
def test_no_link_is_refused_to_who_sees_it_and_messages_of_runs_are_for_who_sees_runs(
    config: PartitionConfig, celery_in_memory: CeleryInMemory, codenames: tuple[str, ...]
) -> None:
    client = signed_in(*codenames)
    press_all(client, config)
    pages = walk(client)
    may_see = bool({"view_partitionconfig", "change_partitionconfig"} & set(codenames))
    assert (page_of(config) in pages) == may_see
    assert (reverse(RUNS) in pages) == (RUN in codenames)
    followed = [each for each in pages if "/partitionrun/task/" in each]
    assert bool(followed) == bool(celery_in_memory.sent())

    assert any(SECRET in each for each in pages.values()) == (RUN in codenames)
    if may_see:
        assert "The last run failed" in pages[page_of(config)]
        assert "The last run failed" in pages[reverse(CONFIGS)]
        assert ("Latest runs" in pages[page_of(config)]) == (RUN in codenames)


def press_all(client: Client, config: PartitionConfig) -> None:
    """Press every button, whether it is shown or not; where something is sent, a link is shown."""
    operate = reverse("admin:pg_timepart_partitionconfig_operate", args=(config.pk,))
    off, on = config.logs.order_by("start")
    client.post(reverse(CONFIGS), {"action": "maintain", "_selected_action": config.pk})
    for form in (
        {"operation": "maintain"},
        {"operation": "detach", "partitions": key_of(on)},
        {"operation": "drop", "partitions": key_of(off), "typed": off.table_name},
    ):
        client.post(operate, form)
