"""The form of a config, whole but for a hostile value or two: shown, confirmed and saved."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.test import Client
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pg_timepart.models import PartitionConfig
from tests.hostile.markup_names import MARKUP, Fields, overridden, pairs, read, submit, values
from tests.hostile.values import texts
from tests.support.admin_client import page_of

pytest_plugins = ("tests.hostile.fixtures",)

STORED = {
    "period": "Month",
    "periods_per_partition": 1,
    "interval": 12,
    "premake": 1,
    "max_retire_per_pass": 10,
    "attach_tablespace": "",
    "detach_tablespace": "",
    "drop_after": None,
    "enabled": True,
}
WHOLE: Fields = {
    **{name: "" if each is None else str(each) for name, each in STORED.items()},
    "enabled": "on",
}
CHANGES: tuple[Fields, ...] = (
    {"period": "Week"},
    {"premake": "3"},
    {"interval": ""},
    {"interval": "300", "max_retire_per_pass": "1"},
    {"drop_after": "30 00:00:00"},
    {"detach_tablespace": MARKUP},
    {"attach_tablespace": MARKUP, "enabled": ""},
)
NOT_OURS = ("model_label", "schedule_id", "last_message", "id", "_continue", "_addanother")

changed = st.sampled_from(CHANGES).map(lambda each: {**WHOLE, **each})
more: st.SearchStrategy[Fields] = st.dictionaries(
    st.one_of(st.sampled_from(NOT_OURS), texts.filter(lambda each: each not in WHOLE)),
    st.lists(values, min_size=1, max_size=2),
    max_size=2,
)
forms = st.builds(
    lambda form, others: {**others, **form}, overridden(changed, tuple(WHOLE)), more
).filter(lambda each: not {"_confirmed", "csrfmiddlewaretoken"} & set(each))


def restore(config: PartitionConfig) -> None:
    PartitionConfig.objects.filter(pk=config.pk).update(**STORED)


def stored(config: PartitionConfig) -> dict[str, Any]:
    return dict(PartitionConfig.objects.values(*STORED, "model_label").get(pk=config.pk))


def confirm(client: Client, config: PartitionConfig, preview: Any, form: Fields) -> str:
    """Press Save on the page that shows what a change would do; return where that led."""
    before, page = stored(config), read(preview)
    assert ("_confirmed", "1") in page.hidden
    assert sorted(page.hidden) == sorted([*pairs(form), ("_confirmed", "1")])
    answer = submit(client, page_of(config), page.hidden)
    assert answer.status_code == 302
    assert stored(config) != before
    return "confirmed"


def send(client: Client, config: PartitionConfig, form: Fields) -> str:
    """Send the form, and what it leads to; return how far that got."""
    before = stored(config)
    answer = submit(client, page_of(config), pairs(form))
    if answer.status_code == 302:
        return "saved"
    assert stored(config) == before
    if "What the change would do" in answer.content.decode():
        return confirm(client, config, answer, form)
    return "refused"


def assert_usable(client: Client, config: PartitionConfig) -> None:
    """What is stored is a policy, and is shown."""
    config.refresh_from_db()
    config.full_clean()
    config.policy()
    assert config.model_label == "fleet.ship"
    assert client.get(page_of(config)).status_code == 200


def test_settings_of_any_kind(client: Client, config: PartitionConfig) -> None:
    ends = Counter[str]()

    @settings(settings.get_profile("hostile"))
    @given(form=forms)
    @example(form={**WHOLE, "detach_tablespace": MARKUP, MARKUP: ['"><script>alert(1)</script>']})
    @example(form={**WHOLE, "enabled": "", "model_label": MARKUP})
    def sent(form: Fields) -> None:
        restore(config)
        ends[send(client, config, form)] += 1
        assert_usable(client, config)

    sent()
    assert ends["confirmed"] > 2
    assert ends["saved"]
    assert ends["refused"]
