"""Whatever a message carries or a name holds: a record is possible, and a log line is one line."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
from django.db import DataError, connection
from hypothesis import given, settings
from hypothesis import strategies as st

from pg_timepart.logger import logger
from pg_timepart.maintenance.reconcile import reconcile
from pg_timepart.models import PartitionConfig
from tests.apps.fleet.models import Ship
from tests.hostile.tables_to_protect import OFF, ON, SHIP
from tests.hostile.values import json_values
from tests.support.celery_messages import CeleryInMemory
from tests.support.database import Database

pytest_plugins = ("tests.hostile.fixtures",)

BAD: dict[str, Any] = {
    "NUL": "\x00",
    "a lone surrogate": "a\ud800b",
    "256 characters": "x" * 256,
    "300 characters that become more": "\x01" * 300,
    "a line break": "maria\nERROR pg_timepart: all is lost",
    "a number": 17,
    "a list": ["a", "\x00"],
    "an object": {"a": "\udfff"},
}
HEADERS = ("started_by", "periodic_task_name", "id", "hostname")


@pytest.mark.usefixtures("two_partitions")
@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("value", BAD.values(), ids=BAD)
def test_a_drop_is_recorded_whatever_its_message_carries(
    database: Database, celery_in_memory: CeleryInMemory, header: str, value: Any
) -> None:
    carried = json.loads(json.dumps({header: value}))
    result = celery_in_memory.run("drop_partitions", SHIP, [OFF], request=carried)
    assert result["outcome"] == "done"
    assert not database.exists(OFF)
    run = database.runs(Ship)[0]
    assert (run.operation, run.outcome) == ("drop", "done")
    for text in (run.started_by, run.task_id, run.worker):
        assert text.isprintable()
        assert 0 < len(text) <= 255


@pytest.mark.usefixtures("two_partitions")
@settings(settings.get_profile("hostile"))
@given(headers=st.dictionaries(st.sampled_from(HEADERS), json_values, max_size=3))
def test_headers_of_any_kind_are_recorded(headers: dict[str, Any]) -> None:
    celery_in_memory, database = CeleryInMemory(), Database()
    try:
        before = len(database.runs(Ship))
        on = ON in database.children(Ship)
        name = "detach_partitions" if on else "attach_partitions"
        celery_in_memory.run(name, SHIP, [ON], request={**headers, "retries": 1})
        assert len(database.runs(Ship)) == before + 1
    finally:
        celery_in_memory.close()


@pytest.mark.usefixtures("two_partitions")
def test_a_redelivered_drop_with_a_bad_id_is_recorded_too(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    again = {"id": "\x00" * 300, "delivery_info": {"redelivered": True}}
    assert celery_in_memory.run("drop_partitions", SHIP, [OFF], request=again)["outcome"] == "done"


@pytest.mark.usefixtures("two_partitions")
def test_what_the_encoding_lacks_is_recorded_as_escapes(
    database: Database, celery_in_memory: CeleryInMemory
) -> None:
    """As in a database in LATIN1, whose server refuses what it has no byte for."""

    def refuse(execute: Any, statement: Any, values: Any, *rest: Any) -> Any:
        if "INSERT INTO" in str(statement) and "ö" in str(values):
            raise DataError("character has no equivalent in encoding")
        return execute(statement, values, *rest)

    with connection.execute_wrapper(refuse):
        celery_in_memory.run(
            "drop_partitions", SHIP, [OFF], request={"started_by": "Jörg" + "ö" * 251}
        )
    started_by = database.runs(Ship)[0].started_by
    assert started_by.startswith("J\\xf6rg\\xf6")
    assert len(started_by) == 255


def test_a_name_forges_no_line_of_the_log(
    database: Database, celery_in_memory: CeleryInMemory, caplog: pytest.LogCaptureFixture
) -> None:
    forged = "x\nERROR pg_timepart: all is lost\r\x1b[31m"
    database.configure(Ship)
    database.cover(Ship, "2001-01-01", "2001-02-01")
    database.execute(f'ALTER TABLE {ON} RENAME TO "{forged}"')
    reconcile(SHIP)
    with caplog.at_level(logging.WARNING, logger="pg_timepart"):
        result = celery_in_memory.run("drop_partitions", SHIP, [forged])
    assert result["outcome"] == "failed"
    lines = [each.getMessage() for each in caplog.records if each.name == "pg_timepart"]
    assert lines
    assert all(each.isprintable() for each in lines)
    assert "x\\nERROR pg_timepart" in lines[0]
    config = PartitionConfig.objects.get(model_label=SHIP)
    assert forged in config.last_message  # a row is no line


def test_what_an_error_says_forges_no_line_of_the_log() -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logger.addHandler(handler)
    try:
        raise ValueError("x\nERROR pg_timepart: all is lost\r\x1b[31m\u2028more")
    except ValueError as error:
        logger.error("create of %s", "a\nb", exc_info=error)
    finally:
        logger.removeHandler(handler)
    first, *others = written.getvalue().splitlines()
    assert first == r"create of a\nb"
    assert all(each.startswith("  ") for each in others)
    assert r"  ERROR pg_timepart: all is lost\r\x1b[31m\u2028more" in others
