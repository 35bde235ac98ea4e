"""An operation of a project's own: task, command, method and button work from its one entry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from django import forms
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from pg_timepart import tasks
from pg_timepart.constants import State
from pg_timepart.errors import InvalidPolicy
from pg_timepart.maintenance import manual, operation_registry
from pg_timepart.maintenance.history import Origin
from pg_timepart.maintenance.operation_registry.arguments import moment
from pg_timepart.maintenance.operation_registry.operation import (
    Argument,
    Confirmation,
    Flag,
    FormField,
    Operation,
    Selection,
)
from pg_timepart.maintenance.report import Report
from pg_timepart.maintenance.target import Target
from pg_timepart.maintenance.task_arguments import moment_in
from pg_timepart.models import PartitionConfig, PartitionLog
from tests.apps.fleet.models import Ship
from tests.support.admin_client import entry_of, key_of, no_users_left, page_of, signed_in
from tests.support.celery_messages import CeleryInMemory
from tests.support.command_line import timepart
from tests.support.database import Database

pytest_plugins = ("tests.support.database_fixtures",)

SHIP = "fleet.ship"
VIEW, OPERATE, DROP = (f"{verb}_partitionconfig" for verb in ("view", "operate", "drop"))
FEBRUARY = datetime(2020, 2, 1, tzinfo=UTC)


def empty(
    target: Target, logs: Sequence[PartitionLog], *, origin: Origin, before: datetime | None = None
) -> Report:
    """Empty these partitions, or those of them that end before a moment, or at it."""
    chosen = [each for each in logs if before is None or (each.end and each.end <= before)]
    return manual.truncate(target, chosen, origin=origin)


EMPTY = Operation(
    name="empty",
    task="empty_partitions",
    method="empty_partition",
    summary="empty partitions, attached or not",
    gerund="emptying",
    button="Empty…",
    hint="The tables stay.",
    run=empty,
    selection=Selection(states=frozenset({State.ATTACHED, State.DETACHED})),
    arguments=(
        Argument(
            name="before",
            flag=Flag(
                names=("--ended-before",),
                help="leave alone what ends later",
                options={"type": moment, "metavar": "TIME"},
            ),
            form_field=FormField(
                name="ended_before",
                make=lambda _config: forms.DateTimeField(label="Ended before", required=False),
            ),
            from_json=moment_in,
            to_json=datetime.isoformat,
        ),
    ),
    permission="drop",
    confirmation=Confirmation(
        warning="These tables will be emptied", participle="emptied", refusal="it stays as it is"
    ),
)


@pytest.fixture(scope="module", autouse=True)
def _registered() -> Iterator[None]:
    operation_registry.register(EMPTY)
    yield
    operation_registry.unregister("empty")


@pytest.fixture
def logs(database: Database) -> list[PartitionLog]:
    """Ships of January and of February 2020, one each."""
    database.configure(Ship, period="Month")
    found = list(database.cover(Ship, "2020-01-01", "2020-02-01", "2020-03-01"))
    for month in (1, 2):
        Ship.objects.create(sailed_at=datetime(2020, month, 5, tzinfo=UTC))
    return found


def months() -> list[int]:
    return sorted(each.sailed_at.month for each in Ship.objects.all())


def names(logs: list[PartitionLog]) -> list[str]:
    return [each.table_name for each in logs]


# The task


def test_the_task_runs_and_its_run_is_recorded(
    database: Database, logs: list[PartitionLog], celery_in_memory: CeleryInMemory
) -> None:
    result = celery_in_memory.run("empty_partitions", SHIP, names(logs), FEBRUARY.isoformat())
    assert [each["action"] for each in result["actions"]] == ["truncate"]
    assert months() == [2]
    assert database.runs(Ship)[0].worker == "worker@here"


def test_the_task_has_its_name_among_the_others(logs: list[PartitionLog]) -> None:
    task = getattr(tasks, EMPTY.task)
    assert task(SHIP, names(logs), before="2020-02-01T00:00+00:00")["outcome"] == "done"
    assert months() == [2]
    with pytest.raises(AttributeError, match="has no attribute 'fill_partitions'"):
        getattr(tasks, "fill_partitions")  # noqa: B009


def test_the_task_reads_its_argument_and_refuses_a_wrong_one(
    logs: list[PartitionLog], celery_in_memory: CeleryInMemory
) -> None:
    with pytest.raises(InvalidPolicy, match="'soon' is not a moment"):
        celery_in_memory.run("empty_partitions", SHIP, names(logs), before="soon")
    with pytest.raises(TypeError):
        celery_in_memory.task("empty_partitions").delay(SHIP)
    assert months() == [1, 2]


# The command


def test_the_command_has_its_options_and_runs(logs: list[PartitionLog]) -> None:
    arguments = ("empty", SHIP, "--partition", *names(logs), "--ended-before", "2020-02-01")
    refused = timepart(*arguments)
    assert "Nobody is there to ask: add --yes to empty without asking." in refused.error
    assert months() == [1, 2]
    ended = timepart(*arguments, "--yes")
    assert (ended.status, ended.error) == (0, "")
    assert ended.lines[1].startswith(f"  emptied {logs[0].table_name}, ")
    assert months() == [2]


def test_the_command_line_is_checked(logs: list[PartitionLog]) -> None:
    assert timepart("empty", SHIP, "--yes").status != 0
    wrong = timepart("empty", SHIP, "--partition", "x", "--ended-before", "soon", "--yes")
    assert "'soon' is not a date or time" in wrong.error


# The method


def test_the_method_takes_rows_and_the_argument(logs: list[PartitionLog]) -> None:
    partitioning: Any = Ship.partitioning
    report = partitioning.empty_partition(logs, before=FEBRUARY)
    assert [each.partition for each in report.actions] == [logs[0].table_name]
    assert months() == [2]
    partitioning.empty_partition(logs[1])
    assert months() == []


# The button


@pytest.fixture
def page(logs: list[PartitionLog]) -> Iterator[str]:
    """The address that the button posts to."""
    config = PartitionConfig.objects.get(model_label=SHIP)
    with no_users_left():
        yield reverse("admin:pg_timepart_partitionconfig_operate", args=(config.pk,))


def fields_for(logs: list[PartitionLog], **more: str) -> dict[str, Any]:
    return {"operation": "empty", "partitions": [key_of(each) for each in logs], **more}


def test_the_button_is_offered_to_who_may_press_it(page: str, logs: list[PartitionLog]) -> None:
    def shown(client: Client) -> str:
        return client.get(page_of(logs[0].config)).content.decode()

    offered = shown(signed_in(VIEW, DROP))
    assert 'value="empty">Empty…</button>' in offered
    assert 'name="ended_before"' in offered
    refused = signed_in(VIEW, OPERATE)
    assert 'value="empty"' not in shown(refused)
    assert refused.post(page, fields_for(logs)).status_code == 403


def test_the_button_asks_back_and_sends_the_task(
    page: str, logs: list[PartitionLog], celery_in_memory: CeleryInMemory
) -> None:
    client = signed_in(VIEW, DROP)
    asked = client.post(page, fields_for(logs, ended_before="2020-02-01 00:00"))
    assert "<code>empty 2 of fleet.ship</code>" in asked.content.decode()
    assert "Nothing is emptied yet." in asked.content.decode()
    assert celery_in_memory.sent() == []
    confirmed = fields_for(logs, ended_before="2020-02-01 00:00", typed="empty 2 of fleet.ship")
    client.post(page, confirmed)
    (message,) = celery_in_memory.sent()
    shown = [entry_of(each) for each in logs]
    assert message.args == [SHIP, shown, "2020-02-01T00:00:00+00:00"]
    celery_in_memory.run(message.task.removeprefix("pg_timepart."), *message.args)
    assert months() == [2]


def test_the_form_is_checked(
    page: str, logs: list[PartitionLog], celery_in_memory: CeleryInMemory
) -> None:
    response = signed_in(VIEW, DROP).post(page, fields_for(logs, ended_before="soon"))
    (words,) = (str(each) for each in get_messages(response.wsgi_request))
    assert words.startswith("Ended before: Enter a valid")
    assert celery_in_memory.sent() == []
