"""The buttons: who may press which, what is sent, and what is said where nothing can be."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from celery import Celery
from celery._state import get_current_app
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client, override_settings
from django.urls import reverse

from pg_timepart.errors import Refused
from pg_timepart.maintenance.maintain import maintain
from pg_timepart.models import PartitionConfig, PartitionLog
from tests.apps.fleet.models import Cargo, Ship
from tests.support.admin_client import (
    CONFIGS,
    PREFIX,
    entry_of,
    key_of,
    no_users_left,
    orphans,
    page_of,
    signed_in,
)
from tests.support.celery_messages import CeleryInMemory
from tests.support.database import Database, Tablespaces

SHIP = "fleet.ship"
CODENAMES = ("view_partitionconfig", "operate_partitionconfig", "drop_partitionconfig")
OPERATOR = "-".join(CODENAMES)
OFF, ON = "fleet_ship_20200101_20200201", "fleet_ship_20200201_20200301"


@pytest.fixture
def config(database: Database) -> Iterator[PartitionConfig]:
    """A table with a detached and an attached partition."""
    config = database.configure(Ship, period="Month")
    first, _ = database.cover(Ship, "2020-01-01", "2020-02-01", "2020-03-01")
    first.detach()
    with no_users_left():
        yield config
    PartitionConfig.objects.filter(model_label__startswith=PREFIX).delete()


@pytest.fixture
def client(config: PartitionConfig) -> Client:
    return signed_in(*CODENAMES)


def operate_url(config: PartitionConfig) -> str:
    return reverse("admin:pg_timepart_partitionconfig_operate", args=(config.pk,))


def press(client: Client, config: PartitionConfig, operation: str, **facts: Any) -> Any:
    return client.post(operate_url(config), {"operation": operation, **facts})


def with_oids(argument: Any) -> Any:
    """Return a list of names as a message has it: with the OIDs that the page showed."""
    if not isinstance(argument, list):
        return argument
    return [entry_of(PartitionLog.objects.get(table_name=each)) for each in argument]


def keys(*names: str) -> list[str]:
    return [key_of(PartitionLog.objects.get(table_name=each)) for each in names]


def said(response: Any) -> list[str]:
    return [str(each) for each in get_messages(response.wsgi_request)]


@pytest.mark.parametrize(
    ("operation", "facts", "task", "arguments"),
    [
        ("maintain", {}, "maintain", [SHIP]),
        ("reconcile", {}, "reconcile", [SHIP]),
        ("create", {"days": 5}, "create_partitions", [SHIP, 5]),
        ("detach", {"partitions": [ON]}, "detach_partitions", [SHIP, [ON]]),
        ("attach", {"partitions": [OFF]}, "attach_partitions", [SHIP, [OFF], None]),
        (
            "move",
            {"partitions": [OFF, ON], "tablespace": "pg_default"},
            "set_tablespace",
            [SHIP, [OFF, ON], "pg_default"],
        ),
    ],
)
def test_a_button_sends_its_task_and_links_to_its_run(
    client: Client,
    config: PartitionConfig,
    celery_in_memory: CeleryInMemory,
    operation: str,
    facts: dict[str, Any],
    task: str,
    arguments: list[Any],
) -> None:
    response = press(client, config, operation, **facts)
    assert response["Location"] == page_of(config)
    (message,) = celery_in_memory.sent()
    label, *more = arguments
    assert message.task == f"pg_timepart.{task}"
    assert message.args == [label, *(with_oids(each) for each in more)]
    assert message.headers["started_by"] == OPERATOR
    (words,) = said(response)
    assert f"/partitionrun/task/{message.headers['id']}/" in words
    assert message.headers["id"] in LogEntry.objects.latest("pk").change_message


def test_a_name_that_is_no_text_is_sent_as_its_text(
    client: Client, config: PartitionConfig, celery_in_memory: CeleryInMemory
) -> None:
    """As USERNAME_FIELD of a custom user model may be a phone number with a class of its own."""
    number = type("Number", (), {"__str__": lambda _: "+49 1"})()
    with patch.object(User, "get_username", lambda _: number):
        press(client, config, "maintain")
    (message,) = celery_in_memory.sent()
    assert message.headers["started_by"] == "+49 1"


@override_settings(PARTITION_TIMEZONE="Asia/Tokyo")
def test_a_pin_date_is_in_the_zone_of_the_partitions(
    client: Client, config: PartitionConfig, celery_in_memory: CeleryInMemory
) -> None:
    press(client, config, "attach", partitions=[OFF], pinned_until="2030-05-01T12:00")
    (message,) = celery_in_memory.sent()
    assert message.args[2] == "2030-05-01T12:00:00+09:00"


def test_a_drop_shows_what_would_go_and_asks_for_its_name(
    client: Client, config: PartitionConfig, celery_in_memory: CeleryInMemory, database: Database
) -> None:
    for typed in ("", "fleet", f"{OFF}x"):
        response = press(client, config, "drop", partitions=[OFF], typed=typed)
        page = response.content.decode()
        assert f"<code>{OFF}</code>" in page
        assert "<td>2020-01-01 .. 2020-02-01</td>" in page
        assert "kB</td>" in page
        assert ("That is not what is asked for" in page) == bool(typed)
    assert celery_in_memory.sent() == []
    assert database.exists(OFF)


def test_several_are_dropped_by_their_number(
    client: Client, config: PartitionConfig, celery_in_memory: CeleryInMemory, database: Database
) -> None:
    database.log(Ship, "2020-02-01").detach()
    page = press(client, config, "drop", partitions=[OFF, ON]).content.decode()
    assert "<code>drop 2 of fleet.ship</code>" in page
    press(client, config, "drop", partitions=keys(OFF, ON), typed="drop 2 of fleet.ship")
    assert [each.args for each in celery_in_memory.sent()] == [[SHIP, with_oids([OFF, ON])]]


def test_what_was_not_shown_by_its_oid_is_shown_first(
    client: Client, config: PartitionConfig, celery_in_memory: CeleryInMemory
) -> None:
    page = press(client, config, "drop", partitions=[OFF], typed=OFF).content.decode()
    assert f'name="partitions" value="{keys(OFF)[0]}"' in page
    assert "That is not what is asked for" not in page
    assert celery_in_memory.sent() == []
    press(client, config, "drop", partitions=keys(OFF), typed=OFF)
    assert [each.args for each in celery_in_memory.sent()] == [[SHIP, with_oids([OFF])]]


@pytest.mark.parametrize("is_followed", [False, True], ids=["before", "after a pass"])
def test_a_table_that_was_made_anew_is_not_dropped_by_an_old_confirmation(
    client: Client,
    config: PartitionConfig,
    celery_in_memory: CeleryInMemory,
    database: Database,
    is_followed: bool,
) -> None:
    shown = keys(OFF)
    assert shown[0] in press(client, config, "drop", partitions=shown).content.decode()
    database.make_anew(OFF)
    if is_followed:
        maintain(SHIP)
    response = press(client, config, "drop", partitions=shown, typed=OFF)
    if is_followed:
        assert f"{OFF} is another table by now" in said(response)[-1]
    assert celery_in_memory.sent() == []
    assert database.exists(OFF)


@pytest.mark.parametrize("operation", ["drop", "attach", "move"])
def test_a_message_is_for_the_table_that_was_shown(
    client: Client,
    config: PartitionConfig,
    celery_in_memory: CeleryInMemory,
    database: Database,
    operation: str,
) -> None:
    facts = {"typed": OFF, "tablespace": "pg_default"}
    press(client, config, operation, partitions=keys(OFF), **facts)
    (message,) = celery_in_memory.sent()
    database.make_anew(OFF)
    with pytest.raises(Refused, match=f"{OFF} is another table by now"):
        celery_in_memory.run(message.task.removeprefix("pg_timepart."), *message.args)
    assert database.exists(OFF)
    assert OFF not in database.children(Ship)


@pytest.mark.parametrize(
    ("operation", "facts", "words"),
    [
        ("detach", {}, "Select at least one partition."),
        ("detach", {"partitions": ["pg_class"]}, "Partitions: Select a valid choice. pg_class"),
        ("detach", {"partitions": [OFF]}, f"for this: {OFF} is detached."),
        ("attach", {"partitions": [ON]}, f"for this: {ON} is attached."),
        ("attach", {"partitions": [OFF], "pinned_until": "soon"}, "Pinned until: Enter a valid"),
        ("drop", {"partitions": [ON], "typed": ON}, f"for this: {ON} is attached."),
        ("move", {"partitions": [OFF], "tablespace": "nowhere"}, "Tablespace: Select a valid"),
        ("move", {"partitions": [OFF], "tablespace": "pg_global"}, "Tablespace: Select a valid"),
        ("move", {"partitions": [OFF]}, "Tablespace: Choose one."),
        ("create", {}, "Days: Say for how many days ahead."),
        ("create", {"days": 10**9}, "Days: Ensure this value is less than"),
        ("truncate", {"partitions": [ON]}, "Operation: Select a valid choice."),
        ("<b>x</b>", {}, "Operation: Select a valid choice."),
    ],
)
def test_what_cannot_be_done_is_said_and_not_sent(
    client: Client,
    config: PartitionConfig,
    celery_in_memory: CeleryInMemory,
    operation: str,
    facts: dict[str, Any],
    words: str,
) -> None:
    response = press(client, config, operation, **facts)
    assert any(words in each for each in said(response)), said(response)
    assert celery_in_memory.sent() == []
    assert "<b>x</b>" not in client.get(page_of(config)).content.decode()


def test_tablespaces_of_any_name_are_offered(
    client: Client,
    config: PartitionConfig,
    celery_in_memory: CeleryInMemory,
    tablespaces: Tablespaces,
) -> None:
    page = client.get(page_of(config)).content.decode()
    assert f">{tablespaces.cold}</option>" in page
    press(client, config, "move", partitions=[OFF], tablespace=tablespaces.odd)
    assert celery_in_memory.sent()[0].args[2] == tablespaces.odd


def test_operating_and_dropping_are_permissions_apart(
    config: PartitionConfig, celery_in_memory: CeleryInMemory
) -> None:
    viewer = signed_in("view_partitionconfig")
    editor = signed_in("change_partitionconfig")
    operator = signed_in("view_partitionconfig", "operate_partitionconfig")
    dropper = signed_in("view_partitionconfig", "drop_partitionconfig")
    stranger = signed_in("operate_partitionconfig", "drop_partitionconfig")
    drop = {"partitions": keys(OFF), "typed": OFF}
    for client, operation, facts in (
        (viewer, "maintain", {}),
        (viewer, "drop", drop),
        (editor, "maintain", {}),
        (operator, "drop", drop),
        (operator, "drop", {"partitions": [OFF]}),
        (dropper, "maintain", {}),
        (dropper, "detach", {"partitions": [ON]}),
        (stranger, "maintain", {}),
        (stranger, "drop", drop),
    ):
        assert press(client, config, operation, **facts).status_code == 403
    assert celery_in_memory.sent() == []
    press(operator, config, "detach", partitions=[ON])
    press(dropper, config, "drop", **drop)
    tasks = [each.task for each in celery_in_memory.sent()]
    assert tasks == ["pg_timepart.detach_partitions", "pg_timepart.drop_partitions"]


def test_buttons_are_shown_to_who_may_press_them(config: PartitionConfig) -> None:
    def shown(*codenames: str) -> set[str]:
        page = signed_in(*codenames).get(page_of(config)).content.decode()
        return {name for name in ("maintain", "detach", "drop") if f'value="{name}"' in page}

    assert shown("view_partitionconfig") == set()
    assert shown("view_partitionconfig", "drop_partitionconfig") == {"drop"}
    assert shown("change_partitionconfig", "operate_partitionconfig") == {"maintain", "detach"}


def test_nothing_is_started_by_get_or_without_the_csrf_token(
    client: Client, config: PartitionConfig, celery_in_memory: CeleryInMemory
) -> None:
    assert client.get(operate_url(config), {"operation": "maintain"}).status_code == 405
    careful = signed_in(*CODENAMES[:2], enforce_csrf_checks=True)
    assert press(careful, config, "maintain").status_code == 403
    assert Client().post(operate_url(config), {"operation": "maintain"}).status_code == 302
    assert celery_in_memory.sent() == []


def test_a_config_that_is_gone_is_not_found(client: Client, config: PartitionConfig) -> None:
    url = reverse("admin:pg_timepart_partitionconfig_operate", args=(0,))
    assert client.post(url, {"operation": "maintain"}).status_code == 404


def test_the_list_runs_several_at_once(
    client: Client, config: PartitionConfig, celery_in_memory: CeleryInMemory, database: Database
) -> None:
    orphans(1)
    orphan = PartitionConfig.objects.get(model_label="uninstalled.model000")
    chosen = [config, database.configure(Cargo), orphan]
    form = {"action": "maintain", "_selected_action": [each.pk for each in chosen]}
    response = client.post(reverse(CONFIGS), form)
    assert {each.args[0] for each in celery_in_memory.sent()} == {SHIP, "fleet.cargo"}
    refused, sent = said(response)
    assert refused == "No partitioned model uninstalled.model000 is installed."
    assert sent.count("Follow the run") == 2
    client.post(reverse(CONFIGS), {**form, "action": "reconcile"})
    assert {each.task for each in celery_in_memory.sent()} == {"pg_timepart.reconcile"}


def test_actions_of_the_list_need_the_permission(
    config: PartitionConfig, celery_in_memory: CeleryInMemory
) -> None:
    client = signed_in("change_partitionconfig")
    form = {"action": "maintain", "_selected_action": [config.pk]}
    client.post(reverse(CONFIGS), form)
    assert celery_in_memory.sent() == []


def test_a_model_that_is_gone_cannot_be_run(client: Client, config: PartitionConfig) -> None:
    orphans(1)
    orphan = PartitionConfig.objects.get(model_label="uninstalled.model000")
    (words,) = said(press(client, orphan, "maintain"))
    assert words.startswith("No partitioned model uninstalled.model000 is installed")


@override_settings(PG_TIMEPART={"DISPATCHER": True})
def test_with_the_dispatcher_there_is_no_schedule_to_edit(config: PartitionConfig) -> None:
    PartitionConfig.objects.filter(pk=config.pk).update(schedule_id=None)
    client = signed_in("change_partitionconfig")
    page = client.get(page_of(config)).content.decode()
    assert "Now: sent by the dispatcher." in page
    assert 'id="timepart-schedule"' not in page
    assert "sent by the dispatcher" in client.get(reverse(CONFIGS)).content.decode()


@pytest.fixture
def deaf_broker() -> Iterator[None]:
    """An application whose broker refuses every connection, and has a result backend there too."""
    before: Any = get_current_app()
    app = Celery("deaf", broker="redis://127.0.0.1:1/0", backend="redis://127.0.0.1:1/0")
    yield
    app.close()
    before.set_current()


def test_a_broker_that_is_down_is_told_within_seconds_and_nothing_is_done(
    client: Client, config: PartitionConfig, deaf_broker: None, database: Database
) -> None:
    entries, children = LogEntry.objects.count(), database.children(Ship)
    begun = time.monotonic()
    (words,) = said(press(client, config, "detach", partitions=[ON]))
    assert time.monotonic() - begun < 8
    assert words.startswith("The message broker cannot be reached, so nothing was started")
    assert LogEntry.objects.count() == entries
    assert database.children(Ship) == children


def test_a_broker_that_is_down_is_told_once_for_the_list(
    client: Client, config: PartitionConfig, deaf_broker: None, database: Database
) -> None:
    chosen = [config.pk, database.configure(Cargo).pk]
    form = {"action": "maintain", "_selected_action": chosen}
    (words,) = said(client.post(reverse(CONFIGS), form))
    assert words.startswith("The message broker cannot be reached")


def test_a_result_backend_that_cannot_be_loaded_is_told_and_nothing_is_sent(
    client: Client, config: PartitionConfig, celery_in_memory: CeleryInMemory
) -> None:
    celery_in_memory.app.conf.update(result_backend="no.such.module:Backend")
    (words,) = said(press(client, config, "detach", partitions=[ON]))
    assert words.startswith("Celery cannot load its result backend, so nothing was started")
    assert "CELERY_RESULT_BACKEND" in words
    assert celery_in_memory.sent() == []
