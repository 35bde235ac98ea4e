"""The history of runs: what is shown, what is escaped, and that nobody can change it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from pg_timepart.maintenance.maintain import maintain
from pg_timepart.models import PartitionRun
from tests.apps.fleet.models import Ship
from tests.support.admin_client import RUNS, no_users_left, signed_in
from tests.support.database import Database


@pytest.fixture
def client(database: Database) -> Iterator[Client]:
    with no_users_left():
        yield signed_in("view_partitionrun")


def made(**facts: Any) -> PartitionRun:
    return PartitionRun.objects.create(
        **{
            "model_label": "fleet.ship",
            "operation": "maintain",
            "outcome": "done",
            "started_at": datetime(2024, 1, 1, tzinfo=UTC),
            "seconds": 1.5,
            **facts,
        }
    )


def url(run: PartitionRun, verb: str = "change") -> str:
    return reverse(f"admin:pg_timepart_partitionrun_{verb}", args=(run.pk,))


def shown(client: Client, **parameters: str) -> set[int]:
    response = client.get(reverse(RUNS), parameters)
    return {each.pk for each in response.context["cl"].result_list}


def test_one_run_shows_its_actions_with_their_sql(database: Database, client: Client) -> None:
    database.configure(Ship, period="Month", premake=1)
    maintain("fleet.ship")
    (run,) = database.runs(Ship)
    page = client.get(url(run)).content.decode()
    for action in run.actions:
        assert action["partition"] in page
    assert "CREATE TABLE" in page
    assert "room ahead" in page
    assert run.worker in page


def test_what_the_database_says_is_escaped(client: Client) -> None:
    bad = "<script>alert(1)</script>"
    action = {"action": "drop", "partition": bad, "outcome": "failed", "detail": bad}
    run = made(message=bad, started_by=bad, actions=[{**action, "statements": [bad]}])
    for page in (client.get(url(run)), client.get(reverse(RUNS))):
        assert bad not in page.content.decode()
        assert "&lt;script&gt;alert(1)" in page.content.decode()


def test_runs_are_found_by_outcome_operation_action_and_model(client: Client) -> None:
    failed = made(outcome="failed", operation="drop", actions=[{"action": "drop"}])
    cargo = made(model_label="fleet.cargo", actions=[{"action": "create"}])
    both = {failed.pk, cargo.pk}
    assert shown(client, outcome__exact="failed") & both == {failed.pk}
    assert shown(client, operation="drop") & both == {failed.pk}
    assert shown(client, action_done="create") & both == {cargo.pk}
    assert shown(client, model_label="fleet.cargo") & both == {cargo.pk}
    assert shown(client, started_at__gte="2030-01-01 00:00+00:00") & both == set()
    assert shown(client) >= both


def test_nobody_changes_history(client: Client) -> None:
    run = made()
    with no_users_left():
        powerful = signed_in("view_partitionrun", "change_partitionrun", "delete_partitionrun")
        for each in (client, powerful):
            assert each.post(url(run), {"outcome": "failed"}).status_code == 403
            assert each.post(url(run, "delete"), {"post": "yes"}).status_code == 403
            assert each.get(reverse("admin:pg_timepart_partitionrun_add")).status_code == 403
    run.refresh_from_db()
    assert run.outcome == "done"


def test_who_may_not_see_runs_sees_none(database: Database) -> None:
    with no_users_left():
        assert signed_in("view_partitionconfig").get(reverse(RUNS)).status_code == 403
