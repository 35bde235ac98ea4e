"""The page that follows a task that was sent from the admin to its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from celery import Celery
from celery._state import get_current_app
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pg_timepart.admin.task_progress import Sent, sealed
from pg_timepart.models import PartitionConfig, PartitionRun
from tests.apps.fleet.models import Ship
from tests.support.admin_client import no_users_left, signed_in
from tests.support.celery_messages import CeleryInMemory
from tests.support.database import Database

SHIP = "fleet.ship"
REFRESH = '<meta http-equiv="refresh"'
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def client(database: Database) -> Iterator[Client]:
    with no_users_left():
        yield signed_in("view_partitionconfig", "view_partitionrun")


@contextmanager
def celery(**options: Any) -> Iterator[Celery]:
    before: Any = get_current_app()
    app = Celery("here", broker="memory://", **options)
    try:
        yield app
    finally:
        app.close()
        before.set_current()


def address(client: Client, task_id: str, since: datetime | None = None, **facts: str) -> str:
    """Return what the admin links to, after this client has sent the task."""
    sent = Sent(
        task_id=task_id,
        user=client.session["_auth_user_id"],
        since=since or timezone.now(),
        **{"label": SHIP, "operation": "detach", **facts},
    )
    url = reverse("admin:pg_timepart_partitionrun_follow", args=(task_id,))
    return f"{url}?{urlencode({'sent': sealed(sent)})}"


def followed(client: Client, task_id: str, ago: timedelta = timedelta(0), **facts: str) -> str:
    response = client.get(address(client, task_id, timezone.now() - ago, **facts))
    assert response.status_code == 200
    return response.content.decode()


def record(task_id: str, outcome: str, message: str = "") -> PartitionRun:
    return PartitionRun.objects.create(
        model_label=SHIP,
        operation="detach",
        outcome=outcome,
        message=message,
        started_at=timezone.now(),
        seconds=1,
        task_id=task_id,
    )


def has_ended(page: str) -> bool:
    assert (REFRESH in page) == ("follow.js" in page) == ('data-ended="no"' in page)
    return 'data-ended="yes"' in page


def test_a_task_is_followed_from_its_sending_to_its_record(
    database: Database, client: Client, celery_in_memory: CeleryInMemory
) -> None:
    log, _ = database.cover(Ship, "2020-01-01", "2020-02-01", "2020-03-01")
    task_id = str(uuid4())
    page = followed(client, task_id)
    assert "It waits for a worker." in page
    assert not has_ended(page)
    request = {"id": task_id, "started_by": "maria"}
    celery_in_memory.run("detach_partitions", SHIP, [log.table_name], request=request)
    page = followed(client, task_id)
    assert has_ended(page)
    assert f"<td>{log.table_name}</td>" in page
    (run, *_) = database.runs(Ship)
    assert (run.task_id, run.started_by) == (task_id, "maria")
    assert reverse("admin:pg_timepart_partitionrun_change", args=(run.pk,)) in page


def test_a_task_that_nobody_takes_asks_for_a_worker(client: Client) -> None:
    with celery():
        page = followed(client, str(uuid4()), timedelta(minutes=1))
    assert "does one run, and does it read this queue?" in page
    assert "If the broker was restarted since, send it again." in page
    assert not has_ended(page)


def test_without_a_backend_a_later_look_at_the_table_ends_it(
    database: Database, client: Client
) -> None:
    database.configure(Ship)
    with celery():
        PartitionConfig.objects.filter(model_label=SHIP).update(last_checked_at=timezone.now())
        page = followed(client, str(uuid4()), timedelta(minutes=1))
        assert has_ended(page)
        assert "there was nothing to do" in page
        PartitionConfig.objects.filter(model_label=SHIP).update(
            last_checked_at=timezone.now() - timedelta(minutes=2)
        )
        assert not has_ended(followed(client, str(uuid4()), timedelta(minutes=1)))


def test_what_gave_way_is_followed_on(client: Client) -> None:
    task_id = str(uuid4())
    with celery():
        record(task_id, "deferred", "Somebody has the lock.")
        page = followed(client, task_id)
        assert "It was deferred and is tried again: Somebody has the lock." in page
        assert not has_ended(page)
        record(task_id, "done")
        assert has_ended(followed(client, task_id))


@pytest.mark.parametrize(
    ("state", "result", "words", "ended"),
    [
        ("SUCCESS", {"outcome": "unchanged", "message": ""}, "There was nothing to do.", True),
        ("SUCCESS", {"outcome": "unchanged", "message": "Off."}, "Off.", True),
        ("FAILURE", ValueError("There is no <b> here"), "There is no &lt;b&gt; here", True),
        ("STARTED", {}, "A worker is running it.", False),
    ],
)
def test_what_leaves_no_record_is_known_from_the_result(
    client: Client, state: str, result: Any, words: str, ended: bool
) -> None:
    task_id = str(uuid4())
    with celery(backend="cache+memory://") as app:
        app.backend.store_result(task_id, result, state)
        page = followed(client, task_id)
    assert words in page
    assert has_ended(page) == ended


@pytest.mark.parametrize("backend", [NOWHERE, "no.such.module:Backend"])
def test_a_backend_that_is_down_hides_no_record(client: Client, backend: str) -> None:
    task_id = str(uuid4())
    with celery(backend=backend):
        page = followed(client, task_id)
        assert "Its result cannot be read" in page
        assert not has_ended(page)
        record(task_id, "deferred", "Somebody has the lock.")
        assert not has_ended(followed(client, task_id))
        record(task_id, "failed", "It did not work.")
        page = followed(client, task_id)
    assert has_ended(page)
    assert "It did not work." in page


def test_what_an_address_holds_is_escaped(client: Client) -> None:
    bad = "<script>alert(1)</script>"
    url = reverse("admin:pg_timepart_partitionrun_follow", args=(uuid4(),))
    with celery():
        page = followed(client, str(uuid4()), label=bad, operation=bad)
        unsigned = client.get(url, {"sent": bad}).content.decode()
    assert bad not in page
    assert "&lt;script&gt;" in page
    assert "script&gt;" not in unsigned


def test_a_result_is_for_who_has_sent_the_task(client: Client) -> None:
    """Celery's backend knows the results of every task of the project by their ids."""
    task_id, other_id = str(uuid4()), str(uuid4())
    colleague = signed_in("view_partitionrun", "view_partitionconfig", "operate_partitionconfig")
    url = reverse("admin:pg_timepart_partitionrun_follow", args=(task_id,))
    with celery(backend="cache+memory://") as app:
        app.backend.store_result(task_id, {"message": "the salary is 17"}, "SUCCESS")
        assert "the salary is 17" in followed(client, task_id)
        own = address(client, other_id).partition("?")[2]
        another = address(client, task_id)
        for page in (
            client.get(url),
            client.get(url, {"sent": "x"}),
            client.get(f"{url}?{own}"),
            colleague.get(another),
            colleague.get(another.replace(task_id, other_id)),
        ):
            text = page.content.decode()
            assert "the salary is 17" not in text
            assert "No run of this task is recorded." in text
            assert has_ended(text)
        record(task_id, "done", "It was done.")
        assert "It was done." in colleague.get(url).content.decode()


def test_only_who_may_see_runs_or_sent_it_follows(database: Database) -> None:
    task_id = str(uuid4())
    url = reverse("admin:pg_timepart_partitionrun_follow", args=(task_id,))
    with no_users_left(), celery():
        for verb in ("operate", "drop"):
            sender = signed_in("view_partitionconfig", f"{verb}_partitionconfig")
            assert sender.get(url).status_code == 403
            assert sender.get(address(sender, task_id)).status_code == 200
            assert sender.post(address(sender, task_id)).status_code == 405
            stranger = signed_in(f"{verb}_partitionconfig")
            assert stranger.get(address(sender, task_id)).status_code == 403
            assert stranger.get(address(stranger, task_id)).status_code == 403
