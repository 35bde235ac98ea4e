"""A process killed at every statement: the next pass ends where an undisturbed run ends."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from django.db import connection, models

from pg_timepart.constants import Outcome
from pg_timepart.maintenance.passes import maintain
from pg_timepart.models import PartitionLog
from tests.plant.models import Machine, Measurement, Reading
from tests.plant.observing import State, change_policy, clear_plant, observe, wipe
from tests.processes import KILLED, killed_at, wait_until_gone

pytestmark = pytest.mark.django_db(transaction=True)

NOW = dt.datetime(2024, 3, 10, 12, tzinfo=dt.UTC)
OLD = dt.datetime(2024, 3, 5, tzinfo=dt.UTC)
ARCHIVE = "plant_archive"
VICTIM = "victim"

LEAF = "plant_measurement_20240305_20240306"
SPOIL_INDEX = f"DROP INDEX {LEAF}_value_idx"
SPOIL_CONSTRAINTS = f"""
DO $$ DECLARE name name; BEGIN
FOR name IN SELECT conname FROM pg_constraint
            WHERE conrelid = '{LEAF}'::regclass AND contype IN ('f', 'c', 'p')
LOOP EXECUTE format('ALTER TABLE {LEAF} DROP CONSTRAINT %I', name); END LOOP; END $$
"""


@pytest.fixture(autouse=True)
def plant() -> Iterator[None]:
    yield
    clear_plant()


@pytest.fixture
def archive() -> Iterator[str]:
    """A second tablespace, inside the server's own folder."""
    with connection.cursor() as cursor:
        if connection.pg_version < 150000:  # type: ignore[attr-defined]
            pytest.skip("in-place tablespaces need PostgreSQL 15")
        cursor.execute("SET allow_in_place_tablespaces = on")
        cursor.execute("SELECT FROM pg_tablespace WHERE spcname = %s", [ARCHIVE])
        if not cursor.fetchone():
            cursor.execute(f"CREATE TABLESPACE {ARCHIVE} LOCATION ''")
    yield ARCHIVE
    clear_plant()
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLESPACE {ARCHIVE}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One operation to be killed in."""

    model: type[models.Model]
    prepare: Callable[[], object]
    """Makes the table as it is before, from whatever it is."""

    operate: Callable[[], object]
    """What is killed."""

    is_by_hand: bool = False
    """Nobody but its caller knows of it until it has begun, so its caller repeats it."""


def run_pass(model: type[models.Model]) -> Outcome:
    return maintain(model._meta.label_lower, now=NOW).outcome


def kill_everywhere(scenario: Scenario, *, at_least: int) -> None:
    """Kill the operation at point after point until it outlives them all."""
    before, after = undisturbed(scenario)
    assert before != after
    found: list[str] = []
    for point in count(1):
        scenario.prepare()
        code, statement = killed_at(point, scenario.operate, VICTIM)
        wait_until_gone(VICTIM)
        if code == 0:
            break
        assert code == KILLED
        found += what_is_left(scenario, before, after, f"{point}, {statement}")
    assert observe(scenario.model) == after
    assert not found, "\n".join(found)
    assert point > at_least


def undisturbed(scenario: Scenario) -> tuple[State, State]:
    scenario.prepare()
    before = observe(scenario.model)
    scenario.operate()
    return before, observe(scenario.model)


def what_is_left(scenario: Scenario, before: State, after: State, where: str) -> Iterator[str]:
    """Run the next pass, and yield what is not as it should be then."""
    outcome = run_pass(scenario.model)
    if outcome not in (Outcome.DONE, Outcome.UNCHANGED):
        yield f"after {where} the pass ended {outcome}"
    if scenario.is_by_hand and observe(scenario.model) == before:
        scenario.operate()
    difference = after.difference(observe(scenario.model))
    if difference:
        yield f"after {where}\n{difference}"


def prepare_old(model: type[models.Model], **policy: Any) -> Callable[[], None]:
    """Return what makes a table with room ahead, and an old partition with a row."""

    def prepare() -> None:
        wipe(model)
        partitioning: Any = getattr(model, "partitioning")  # noqa: B009
        run_pass(model)
        partitioning.create_range(OLD, OLD + dt.timedelta(days=1))
        insert(model, OLD, 1)
        insert(model, NOW, 2)
        change_policy(model, **policy)

    return prepare


def insert(model: type[models.Model], at: dt.datetime, value: int) -> None:
    extra: dict[str, Any] = {}
    if model is Measurement:
        extra["machine"] = Machine.objects.get_or_create(name="press")[0]
    model._default_manager.create(at=at, value=value, **extra)


def the_old(model: type[models.Model]) -> PartitionLog:
    return PartitionLog.objects.get(config__model_label=model._meta.label_lower, start=OLD)


def prepare_detached(model: type[models.Model], *statements: str) -> Callable[[], None]:
    attached = prepare_old(model)

    def prepare() -> None:
        attached()
        the_old(model).detach()
        execute(*statements)

    return prepare


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for each in statements:
            cursor.execute(each)


def test_create_ahead() -> None:
    kill_everywhere(
        Scenario(
            model=Measurement,
            prepare=lambda: wipe(Measurement),
            operate=lambda: run_pass(Measurement),
        ),
        at_least=30,
    )


def test_detach_concurrently_and_move(archive: str) -> None:
    kill_everywhere(
        Scenario(
            model=Reading,
            prepare=prepare_old(Reading, interval=2, detach_tablespace=archive),
            operate=lambda: run_pass(Reading),
        ),
        at_least=30,
    )


def test_detach_with_a_foreign_key() -> None:
    kill_everywhere(
        Scenario(
            model=Measurement,
            prepare=prepare_old(Measurement, interval=2),
            operate=lambda: run_pass(Measurement),
        ),
        at_least=20,
    )


def test_detach_beside_a_default_partition() -> None:
    attached = prepare_old(Reading, interval=2)

    def prepare() -> None:
        attached()
        execute("CREATE TABLE plant_reading_rest PARTITION OF plant_reading DEFAULT")

    kill_everywhere(
        Scenario(model=Reading, prepare=prepare, operate=lambda: run_pass(Reading)), at_least=25
    )


def test_create_beside_a_big_default_partition() -> None:
    def prepare() -> None:
        wipe(Reading)
        execute(
            "CREATE TABLE plant_reading_rest PARTITION OF plant_reading DEFAULT",
            "UPDATE pg_class SET relpages = 1000 WHERE relname = 'plant_reading_rest'",
        )
        insert(Reading, OLD, 1)

    kill_everywhere(
        Scenario(model=Reading, prepare=prepare, operate=lambda: run_pass(Reading)), at_least=40
    )


def test_attach() -> None:
    kill_everywhere(
        Scenario(
            model=Reading,
            prepare=prepare_detached(Reading),
            operate=lambda: the_old(Reading).attach(),
            is_by_hand=True,
        ),
        at_least=25,
    )


def test_attach_without_index_and_foreign_key() -> None:
    kill_everywhere(
        Scenario(
            model=Measurement,
            prepare=prepare_detached(Measurement, SPOIL_INDEX, SPOIL_CONSTRAINTS),
            operate=lambda: the_old(Measurement).attach(),
            is_by_hand=True,
        ),
        at_least=40,
    )


def test_move_a_detached_one(archive: str) -> None:
    kill_everywhere(
        Scenario(
            model=Reading,
            prepare=prepare_detached(Reading),
            operate=lambda: the_old(Reading).set_tablespace(archive),
            is_by_hand=True,
        ),
        at_least=20,
    )


def test_drop_after_the_grace() -> None:
    detached = prepare_detached(Measurement)

    def prepare() -> None:
        detached()
        change_policy(Measurement, drop_after=dt.timedelta(days=30))
        PartitionLog.objects.filter(start=OLD).update(detached_at=NOW - dt.timedelta(days=31))

    kill_everywhere(
        Scenario(model=Measurement, prepare=prepare, operate=lambda: run_pass(Measurement)),
        at_least=20,
    )
