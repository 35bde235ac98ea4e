"""A declaration that contradicts the table that is there: reported by all, and nothing is done."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.test import Client

from pg_timepart import Snowflake
from pg_timepart.checks.databases import check_database
from pg_timepart.errors import OperationFailed
from pg_timepart.post_migrate.provision import NoRoom, after_migrate
from pg_timepart.schema.registry import only_decorated
from pg_timepart.status import status_of
from tests.support.admin_client import no_users_left, page_of, signed_in
from tests.support.command_line import timepart
from tests.support.database import Database, at, failure

pytest_plugins = ("tests.support.database_fixtures",)

BORN = Snowflake(epoch=datetime(2015, 1, 1, tzinfo=UTC), shift=22)
DECLARED = Snowflake(epoch=datetime(2015, 1, 1, tzinfo=UTC), shift=12)


def raft(key_format: Any) -> dict[str, Any]:
    return {
        "id": models.BigIntegerField(primary_key=True),
        "at": models.DateTimeField(null=True),
        "key": "id",
        "key_format": key_format,
    }


@pytest.fixture(params=["seconds of others", "another shift"])
def contradicted(request: pytest.FixtureRequest, database: Database) -> Iterator[Any]:
    """A model with a table whose bounds are of another format than it declares."""
    if request.param == "another shift":
        born = database.build(**raft(BORN))
        database.maintain(born, "2024-03-10")
        born.partitioning.create_range(at("2024-01-01"), at("2024-02-01"))
        database.execute("ALTER TABLE fleet_raft RENAME TO fleet_born")
        model = database.build(**raft(DECLARED))
        database.execute("DROP TABLE fleet_raft")
        database.execute("ALTER TABLE fleet_born RENAME TO fleet_raft")
    else:
        model = database.build(**raft("epoch_ms"))
        for name, start, end in (("one", "2024-01-01", "2024-02-01"), ("two", "2024-02-01", None)):
            upper = "MAXVALUE" if end is None else int(at(end).timestamp())
            database.execute(
                f"CREATE TABLE fleet_raft_{name} PARTITION OF fleet_raft"
                f" FOR VALUES FROM ({int(at(start).timestamp())}) TO ({upper})"
            )
    with only_decorated(model):
        yield model


@pytest.fixture
def client(database: Database) -> Iterator[Client]:
    with no_users_left():
        yield signed_in("change_partitionconfig")


def test_everyone_says_so_and_nothing_is_done(
    contradicted: Any, database: Database, client: Client
) -> None:
    before = database.children(contradicted)
    words = "fleet_raft contradicts the key format"
    assert words in failure(database.maintain(contradicted, "2024-03-10"))
    assert words in database.runs(contradicted)[0].message
    for call in (
        contradicted.partitioning.create_partition,
        lambda: contradicted.partitioning.create_range(at("2025-01-01"), at("2025-02-01")),
        contradicted.partitioning.detach_partition,
        contradicted.partitioning.attach_partition,
    ):
        with pytest.raises(OperationFailed, match=words):
            call()
    status = status_of(contradicted)
    assert [each.code for each in status.problems if each.severity == "critical"] == [
        "key_format_contradicted"
    ]
    for said in (timepart("status", "fleet.raft"), timepart("plan", "fleet.raft")):
        assert (said.status, words in said.out) == (1, True)
    page = client.get(page_of(database.configure(contradicted))).content.decode()
    assert words in page
    (message,) = check_database("default", [contradicted])
    assert (message.id, words in message.msg) == ("pg_timepart.W013", True)
    with pytest.raises(NoRoom, match=f"{words}.* No partition was made for new rows"):
        after_migrate(apps.get_app_config("pg_timepart"), using="default", verbosity=0)
    assert database.children(contradicted) == before
