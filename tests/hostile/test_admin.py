"""The pages of the admin with addresses of any kind: an answer, never an error of ours."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape
from hypothesis import given, settings
from hypothesis import strategies as st

from pg_timepart.models import PartitionConfig
from tests.hostile.markup_names import MARKUP, OFF_MARKUP, answered, values
from tests.support.admin_client import CONFIGS, RUNS, page_of

pytest_plugins = ("tests.hostile.fixtures",)

QUERY = (
    *("q", "o", "p", "e", "all", "health", "database", "action", "outcome", "operation"),
    *("model_label", "started_at", "started_at__gte", "partitions", "view", "sent"),
)


def addresses(config: PartitionConfig) -> tuple[str, ...]:
    """Return each page that reads its address."""
    follow = reverse("admin:pg_timepart_partitionrun_follow", args=(uuid.uuid4(),))
    return (reverse(CONFIGS), reverse(RUNS), page_of(config), follow)


@pytest.mark.parametrize("value", ["\x00", "9" * 40, "\ud800"], ids=["nul", "big", "half"])
def test_an_address_with_what_no_database_takes(
    client: Client, config: PartitionConfig, value: str
) -> None:
    quoted = quote(value, errors="surrogatepass")
    for address in addresses(config):
        for name in QUERY:
            answered(client.get(f"{address}?{name}={quoted}"))


@settings(settings.get_profile("hostile"))
@given(query=st.dictionaries(st.sampled_from(QUERY), values, max_size=4))
def test_addresses_of_any_kind(client: Client, config: PartitionConfig, query: Any) -> None:
    for address in addresses(config):
        answered(client.get(f"{address}?{urlencode(query)}"))


def test_names_that_are_markup_are_shown_as_text(client: Client, config: PartitionConfig) -> None:
    page = client.get(page_of(config)).content.decode()
    assert "<script>alert(1)" not in page
    assert f"<td>{escape(MARKUP)}</td>" in page
    assert f':{escape(OFF_MARKUP)}"' in page
    assert f'<option value="{escape(MARKUP)}">{escape(MARKUP)}</option>' in page
