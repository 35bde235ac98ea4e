"""The buttons for partitions whose names are markup: what is asked, and exactly what is sent."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pg_timepart.models import PartitionConfig, PartitionLog
from tests.apps.fleet.models import Ship
from tests.hostile.markup_names import MARKUP, OFF_MARKUP, Fields, overridden, pairs, read, submit
from tests.hostile.quoting_check import identifier
from tests.hostile.values import NAMES
from tests.support.admin_client import entry_of, key_of, page_of
from tests.support.celery_messages import CeleryInMemory, Message
from tests.support.database import Database

pytest_plugins = ("tests.hostile.fixtures",)

SHIP = "fleet.ship"
TASKS = {
    "maintain": "maintain",
    "reconcile": "reconcile",
    "create": "create_partitions",
    "detach": "detach_partitions",
    "attach": "attach_partitions",
    "move": "set_tablespace",
    "drop": "drop_partitions",
}
DROP: Fields = {"operation": "drop", "partitions": [OFF_MARKUP]}
WHOLE: tuple[Fields, ...] = (
    {"operation": "maintain"},
    {"operation": "reconcile"},
    {"operation": "create", "days": "5"},
    {"operation": "detach", "partitions": [MARKUP]},
    {"operation": "attach", "partitions": [OFF_MARKUP], "pinned_until": "2030-01-01"},
    {"operation": "move", "partitions": [MARKUP, OFF_MARKUP], "tablespace": MARKUP},
    {**DROP, "typed": OFF_MARKUP},
    DROP,
    {**DROP, "typed": MARKUP},
)
FIELDS = ("operation", "partitions", "days", "pinned_until", "tablespace", "typed")


def row_of(name: str) -> PartitionLog:
    return PartitionLog.objects.get(table_name=name)


def keyed(form: Fields) -> list[tuple[str, str]]:
    """Return the fields as a browser sends them, which has partitions by their keys."""
    return [
        (name, key_of(row_of(value)))
        if name == "partitions" and value in {MARKUP, OFF_MARKUP}
        else (name, value)
        for name, value in pairs(form)
    ]


def address_of(config: PartitionConfig) -> str:
    return reverse("admin:pg_timepart_partitionconfig_operate", args=(config.pk,))


def expected(form: Fields) -> list[Any]:
    """Return what a task must get after the label, but for a pin."""
    names = [entry_of(row_of(each)) for name, each in pairs(form) if name == "partitions"]
    match form["operation"]:
        case "maintain" | "reconcile":
            return []
        case "create":
            return [int(str(form["days"]))]
        case "move":
            return [names, form["tablespace"]]
        case _:
            return [names]


def assert_is(message: Message, form: Fields) -> None:
    """The message is what the form asks for, and no more."""
    arguments = message.args[:2] if form["operation"] == "attach" else message.args
    assert message.task == f"pg_timepart.{TASKS[str(form['operation'])]}"
    assert arguments == [SHIP, *expected(form)]


def send(
    client: Client, config: PartitionConfig, celery_in_memory: CeleryInMemory, form: Fields
) -> str:
    """Press the button; return the operation that was sent, ``asked`` or ``refused``."""
    answer = submit(client, address_of(config), keyed(form))
    sent = celery_in_memory.sent()
    if answer.status_code == 302:
        for message in sent:
            assert_is(message, form)
        return str(form["operation"]) if sent else "refused"
    assert sent == []
    confirm(client, config, celery_in_memory, answer)
    return "asked"


def confirm(
    client: Client, config: PartitionConfig, celery_in_memory: CeleryInMemory, page: Any
) -> None:
    """Type what a page asks for before it drops; that, and nothing else, is sent."""
    assert f"<td>{escape(OFF_MARKUP)}</td>" in page.content.decode()
    found = read(page)
    assert sorted(found.hidden) == sorted(keyed(DROP))
    assert found.code == [OFF_MARKUP]
    submit(client, address_of(config), [*found.hidden, ("typed", found.code[0])])
    (message,) = celery_in_memory.sent()
    assert_is(message, DROP)


def test_operations_of_any_kind(
    client: Client, config: PartitionConfig, celery_in_memory: CeleryInMemory
) -> None:
    ends = Counter[str]()

    @settings(settings.get_profile("hostile"))
    @given(form=overridden(st.sampled_from(WHOLE), FIELDS))
    @example(form={**DROP, "typed": "<script>alert(1)</script>"})
    @example(form={"operation": "move", "partitions": [MARKUP], "tablespace": NAMES[0]})
    def sent(form: Fields) -> None:
        ends[send(client, config, celery_in_memory, form)] += 1
        assert client.get(page_of(config)).status_code == 200

    sent()
    assert ends["asked"]
    assert ends["refused"]
    assert sum(ends[each] for each in TASKS) > 2


@pytest.mark.parametrize("form", WHOLE[:7], ids=lambda form: form["operation"])
def test_what_a_button_sends_for_markup_can_be_run(
    client: Client,
    config: PartitionConfig,
    celery_in_memory: CeleryInMemory,
    database: Database,
    form: Fields,
) -> None:
    submit(client, address_of(config), keyed(form))
    (message,) = celery_in_memory.sent()
    report = celery_in_memory.run(message.task.removeprefix("pg_timepart."), *message.args)
    assert report["outcome"] in {"done", "unchanged"}, report
    attached, exists = set(database.children(Ship)), database.exists(identifier(OFF_MARKUP))
    assert (MARKUP in attached) == (form["operation"] not in {"detach", "maintain"})
    assert (OFF_MARKUP in attached) == (form["operation"] == "attach")
    assert exists == (form["operation"] != "drop")
    move_back(celery_in_memory, form)


def move_back(celery_in_memory: CeleryInMemory, form: Fields) -> None:
    """Leave the tablespace empty."""
    if form["operation"] == "move":
        celery_in_memory.run("set_tablespace", SHIP, [MARKUP, OFF_MARKUP], "pg_default")
