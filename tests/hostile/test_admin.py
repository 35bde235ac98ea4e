"""The admin with forms and addresses of any kind: an answer, never an error of ours."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st

from pg_timepart.constants import PeriodType
from pg_timepart.models import PartitionConfig
from tests.fleet.models import Ship
from tests.fleet.yard import Yard
from tests.hostile.quoting import canary, identifier
from tests.hostile.words import MOMENTS, marked, texts
from tests.integration.administering import CONFIGS, RUNS, no_users_left, page_of, signed_in

pytest_plugins = ("tests.fleet.fixtures",)

MARKUP = marked("<script>alert(1)</script>")
CODENAMES = (
    *("view_partitionconfig", "change_partitionconfig", "view_partitionrun"),
    *("operate_partitionconfig", "drop_partitionconfig"),
)
FIELDS = (
    *("period", "periods_per_partition", "interval", "premake", "attach_tablespace"),
    *("detach_tablespace", "drop_after", "max_retire_per_pass", "enabled", "_confirmed"),
)
SCHEDULE = ("kind", "every", "unit", "minute", "hour", "day_of_month", "month_of_year", "timezone")
OPERATING = ("operation", "partitions", "days", "pinned_until", "tablespace", "typed")
QUERY = (
    *("q", "o", "p", "e", "all", "health", "database", "action", "outcome", "operation"),
    *("model_label", "started_at", "started_at__gte", "partitions", "view", "model", "since"),
)
ANSWERS = {200, 302, 400, 403, 404}

values = st.one_of(
    texts,
    st.sampled_from(("", "1", "0", "-1", "1e9", "9" * 40, "on", "\x00", "a\x00b", *MOMENTS)),
    st.sampled_from((*PeriodType.values, "interval", "crontab", "move", "create", "attach")),
)


@pytest.fixture
def config(yard: Yard) -> Iterator[PartitionConfig]:
    """A table with a partition of a name that is markup."""
    found = yard.configure(Ship, period="Month", premake=1, interval=12)
    yard.execute(
        f"CREATE TABLE {identifier(MARKUP)} PARTITION OF fleet_ship"
        " FOR VALUES FROM ('2001-01-01 00:00+00') TO ('2001-02-01 00:00+00')"
    )
    with no_users_left(), canary(yard):
        yield found


@pytest.fixture
def client(config: PartitionConfig) -> Client:
    return signed_in(*CODENAMES)


def forms(fields: tuple[str, ...]) -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(st.sampled_from(fields), values)


def addresses(config: PartitionConfig) -> tuple[str, ...]:
    """Return each page that reads its address."""
    follow = reverse("admin:pg_timepart_partitionrun_follow", args=(uuid.uuid4(),))
    return (reverse(CONFIGS), reverse(RUNS), page_of(config), follow)


def answered(response: Any) -> None:
    assert response.status_code in ANSWERS, response.status_code


@settings(settings.get_profile("hostile"))
@given(facts=forms(FIELDS))
def test_settings_of_any_kind(client: Client, config: PartitionConfig, facts: Any) -> None:
    answered(client.post(page_of(config), facts))
    config.refresh_from_db()
    config.full_clean()


@settings(settings.get_profile("hostile"))
@given(facts=forms(SCHEDULE))
def test_schedules_of_any_kind(client: Client, config: PartitionConfig, facts: Any) -> None:
    address = reverse("admin:pg_timepart_partitionconfig_schedule", args=(config.pk,))
    answered(client.post(address, {f"schedule-{name}": each for name, each in facts.items()}))
    assert client.get(page_of(config)).status_code == 200


@settings(settings.get_profile("hostile"))
@given(facts=forms(OPERATING))
def test_operations_of_any_kind(client: Client, config: PartitionConfig, facts: Any) -> None:
    """None of these is whole, so that nothing is sent."""
    if facts.get("operation") in {"create", "maintain", "reconcile"}:
        facts["days"] = "many"
    address = reverse("admin:pg_timepart_partitionconfig_operate", args=(config.pk,))
    answered(client.post(address, facts))
    assert client.get(page_of(config)).status_code == 200


@pytest.mark.parametrize("name", QUERY)
@pytest.mark.parametrize("value", ["\x00", "9" * 40, "\ud800"], ids=["nul", "big", "half"])
def test_an_address_with_what_no_database_takes(
    client: Client, config: PartitionConfig, name: str, value: str
) -> None:
    quoted = quote(value, errors="surrogatepass")
    for address in addresses(config):
        answered(client.get(f"{address}?{name}={quoted}"))


@settings(settings.get_profile("hostile"))
@given(query=st.dictionaries(st.sampled_from(QUERY), values, max_size=4))
def test_addresses_of_any_kind(client: Client, config: PartitionConfig, query: Any) -> None:
    for address in addresses(config):
        answered(client.get(f"{address}?{urlencode(query)}"))


def test_a_name_that_is_markup_is_shown_as_text(client: Client, config: PartitionConfig) -> None:
    page = client.get(page_of(config)).content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
