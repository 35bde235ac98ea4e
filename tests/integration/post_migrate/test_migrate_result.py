"""Whether ``migrate`` ends well: if and only if every table accepts rows of now."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.test import override_settings
from django.utils import timezone

from pg_timepart.errors import OperationFailed
from pg_timepart.postgres.lock_holders import NAMESPACE
from tests.apps.plant.models import Machine, Measurement, Reading, Shift
from tests.support.other_runs import another_run_on
from tests.support.processes import forked, session, wait_until
from tests.support.table_state import change_policy, locked_tables, reset_plant_tables, reset_table

pytestmark = pytest.mark.usefixtures("committing")

patient = override_settings(PG_TIMEPART={"LOCK_WAIT_SECONDS": 20})
short_lock_wait = override_settings(PG_TIMEPART={"LOCK_WAIT_SECONDS": 0.5})


@pytest.fixture(autouse=True)
def plant_tables(committing: None) -> Iterator[None]:
    reset_plant_tables()
    yield
    reset_plant_tables()


def migrate() -> str:
    """Return what it prints."""
    printed = io.StringIO()
    call_command("migrate", verbosity=1, stdout=printed, skip_checks=True)
    return printed.getvalue()


def accepts(model: Any) -> bool:
    """Whether a row of now can be inserted."""
    facts: dict[str, Any] = {"value": 1}
    facts |= {"day": timezone.now().date()} if model is Shift else {"at": timezone.now()}
    if model is Measurement:
        facts["machine"] = Machine.objects.get_or_create(name="press")[0]
    try:
        model.objects.create(**facts)
    except IntegrityError:
        return False
    return True


@contextmanager
def somebody_writing() -> Iterator[Any]:
    """Have a transaction open that has written to what Measurement refers to; gives its cursor."""
    with session("an import") as writer:
        writer.execute("BEGIN; INSERT INTO plant_machine (name) VALUES ('lathe')")
        writer.execute("SELECT pg_sleep(0.3)")
        yield writer


@short_lock_wait
def test_it_fails_with_a_sentence_where_a_lock_kept_a_table_without_partitions() -> None:
    with somebody_writing(), pytest.raises(CommandError) as caught:
        migrate()
    assert isinstance(caught.value, OperationFailed)
    sentence = str(caught.value)
    assert sentence.startswith("plant.measurement has no partition for new rows")
    assert "application 'an import'" in sentence
    assert "Run migrate again, or timepart maintain plant.measurement" in sentence
    assert not accepts(Measurement)
    assert (accepts(Reading), accepts(Shift)) == (True, True)
    migrate()
    assert accepts(Measurement)


@patient
def test_it_waits_for_a_lock_before_it_fails() -> None:
    with somebody_writing() as writer, forked(migrate, "migrate") as migrating:
        wait_until(lambda: "plant_measurement" in locked_tables(writer))
        writer.execute("COMMIT")
        migrating.result()
    assert accepts(Measurement)


@patient
def test_it_waits_for_another_run_that_has_a_table_without_partitions() -> None:
    with forked(migrate, "migrate") as migrating:
        with another_run_on(Reading):
            wait_until(lambda: is_trying("migrate", Reading))
        migrating.result()
    assert accepts(Reading)


@short_lock_wait
def test_it_fails_where_another_run_keeps_a_table_without_partitions() -> None:
    with another_run_on(Reading), pytest.raises(CommandError, match="Another run maintains"):
        migrate()
    assert (accepts(Reading), accepts(Shift)) == (False, True)


@patient
def test_it_leaves_a_table_that_accepts_rows_to_another_run() -> None:
    Reading.partitioning.create_range(timezone.now(), timezone.now() + timedelta(minutes=1))
    with another_run_on(Reading):
        printed = migrate()
    assert "plant.reading accepts rows, but not all is ready: Another run maintains" in printed


def test_what_is_missing_of_the_past_is_a_warning() -> None:
    """Workers were away for two days, and nothing is kept of what is older than the last."""
    change_policy(Reading, period="Minute", premake=1)
    then = datetime.now(UTC) - timedelta(days=2)
    Reading.partitioning.create_range(then, then + timedelta(minutes=1))
    printed = migrate()
    assert "plant.reading accepts rows, but not all is ready: More than 2000 partitions" in printed
    assert accepts(Reading)


def test_a_default_partition_that_is_in_the_way_is_a_warning() -> None:
    reset_table(Shift)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE plant_shift_rest PARTITION OF plant_shift DEFAULT")
    assert accepts(Shift)
    printed = migrate()
    assert "plant.shift accepts rows, but not all is ready: " in printed
    assert "plant_shift_rest holds rows" in printed
    assert accepts(Shift)


def is_trying(application: str, model: Any) -> bool:
    """Whether it asks again and again for the advisory lock of the table."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
            " AND query LIKE format('%%%%pg_try_advisory_xact_lock(%%s, %%s)',"
            " %s, %s::regclass::oid)",
            [application, NAMESPACE, model._meta.db_table],
        )
        return bool(cursor.fetchone()[0])
