"""A process killed at every statement: the next pass ends where an undisturbed run ends."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from django.db import connection, models
from django.test import override_settings

from pg_timepart.constants import Outcome
from pg_timepart.maintenance.passes import maintain
from pg_timepart.models import PartitionLog
from tests.plant.models import Machine, Measurement, Reading
from tests.plant.observing import State, change_policy, clear_plant, observe, wipe
from tests.processes import (
    KILLED,
    forked,
    killed_at,
    session,
    terminate_backends,
    wait_until,
    wait_until_gone,
)
from tests.tablespaces import tablespaces_named

pytestmark = pytest.mark.django_db(transaction=True)

NOW = dt.datetime(2024, 3, 10, 12, tzinfo=dt.UTC)
OLD = dt.datetime(2024, 3, 5, tzinfo=dt.UTC)
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
def plant(transactional_db: None) -> Iterator[None]:
    yield
    clear_plant()


@pytest.fixture
def archive() -> Iterator[str]:
    """A second tablespace."""
    # The whole server has it, and somebody else's tests may run there.
    name = f"archive_of_{connection.settings_dict['NAME']}"
    with tablespaces_named(name):
        yield name
        clear_plant()


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


def kill_everywhere(scenario: Scenario, through: Sequence[str]) -> None:
    """Kill the operation at point after point until it outlives them all.

    ``through`` are parts of statements that must be among the points.
    """
    before, after = undisturbed(scenario)
    assert before != after
    found: list[str] = []
    places: list[str] = []
    for point in count(1):
        scenario.prepare()
        code, place = killed_at(point, scenario.operate, VICTIM)
        if code == 0:
            break
        assert code == KILLED
        places.append(place)
        wait_until_gone(VICTIM)
        found += what_is_left(scenario, before, after, place)
    assert observe(scenario.model) == after
    assert not found, "\n".join(found)
    missed = [each for each in through if not any(each in place for place in places)]
    assert not missed, f"was never killed at {missed}, but at {places}"


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
        through=(
            "CREATE TABLE",
            "COMMENT ON",
            "after ALTER TABLE",
            "ATTACH PARTITION",
            "partitionlog",
        ),
    )


def test_detach_concurrently_and_move(archive: str) -> None:
    kill_everywhere(
        Scenario(
            model=Reading,
            prepare=prepare_old(Reading, interval=2, detach_tablespace=archive),
            operate=lambda: run_pass(Reading),
        ),
        through=("partitionlog", "CONCURRENTLY", "SET TABLESPACE", "after DO", "partitionrun"),
    )


def test_detach_with_a_foreign_key() -> None:
    kill_everywhere(
        Scenario(
            model=Measurement,
            prepare=prepare_old(Measurement, interval=2),
            operate=lambda: run_pass(Measurement),
        ),
        through=("partitionlog", "CONCURRENTLY", "partitionrun"),
    )


def test_detach_beside_a_default_partition() -> None:
    attached = prepare_old(Reading, interval=2)

    def prepare() -> None:
        attached()
        execute("CREATE TABLE plant_reading_rest PARTITION OF plant_reading DEFAULT")

    kill_everywhere(
        Scenario(model=Reading, prepare=prepare, operate=lambda: run_pass(Reading)),
        through=("LOCK TABLE", "after ALTER TABLE", "partitionrun"),
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
        Scenario(model=Reading, prepare=prepare, operate=lambda: run_pass(Reading)),
        through=("ADD CONSTRAINT", "VALIDATE", "CREATE TABLE", "ATTACH", "DROP CONSTRAINT"),
    )


def test_attach() -> None:
    kill_everywhere(
        Scenario(
            model=Reading,
            prepare=prepare_detached(Reading),
            operate=lambda: the_old(Reading).attach(),
            is_by_hand=True,
        ),
        through=("partitionlog", "ATTACH PARTITION", "DROP CONSTRAINT", "partitionrun"),
    )


def test_attach_without_index_and_foreign_key() -> None:
    kill_everywhere(
        Scenario(
            model=Measurement,
            prepare=prepare_detached(Measurement, SPOIL_INDEX, SPOIL_CONSTRAINTS),
            operate=lambda: the_old(Measurement).attach(),
            is_by_hand=True,
        ),
        through=("ADD PRIMARY KEY", "CREATE INDEX", "ADD CONSTRAINT", "VALIDATE", "ATTACH"),
    )


def test_move_a_detached_one(archive: str) -> None:
    kill_everywhere(
        Scenario(
            model=Reading,
            prepare=prepare_detached(Reading),
            operate=lambda: the_old(Reading).set_tablespace(archive),
            is_by_hand=True,
        ),
        through=("partitionlog", "SET TABLESPACE", "after DO", "partitionrun"),
    )


def test_drop_after_the_grace() -> None:
    detached = prepare_detached(Measurement)

    def prepare() -> None:
        detached()
        change_policy(Measurement, drop_after=dt.timedelta(days=30))
        PartitionLog.objects.filter(start=OLD).update(detached_at=NOW - dt.timedelta(days=31))

    kill_everywhere(
        Scenario(model=Measurement, prepare=prepare, operate=lambda: run_pass(Measurement)),
        through=("partitionlog", "DROP CONSTRAINT", "after DROP TABLE", "DELETE FROM"),
    )


def test_drop_by_hand() -> None:
    kill_everywhere(
        Scenario(
            model=Measurement,
            prepare=prepare_detached(Measurement),
            operate=lambda: the_old(Measurement).delete(),
            is_by_hand=True,
        ),
        through=("partitionlog", "DROP CONSTRAINT", "after DROP TABLE", "DELETE FROM"),
    )


@pytest.mark.parametrize("model", [Reading, Measurement])
def test_the_pass_that_does_not_wait_for_the_dead(model: type[models.Model]) -> None:
    """The server may not have noticed yet that the client is dead: then the pass gives way."""
    scenario = Scenario(
        model=model,
        prepare=prepare_old(model, interval=2, premake=2),
        operate=lambda: run_pass(model),
    )
    _, after = undisturbed(scenario)
    for point in count(1):
        scenario.prepare()
        code, place = killed_at(point, scenario.operate, VICTIM)
        if code == 0:
            break
        assert run_pass(model) is not Outcome.FAILED, place
        wait_until_gone(VICTIM)
        run_pass(model)
        assert not after.difference(observe(model)), place


@pytest.mark.parametrize("model", [Reading, Measurement])
@pytest.mark.parametrize("is_noticed", [True, False], ids=["noticed", "unnoticed"])
def test_killed_while_a_detach_waits(model: type[models.Model], is_noticed: bool) -> None:
    scenario = Scenario(
        model=model, prepare=prepare_old(model, interval=2), operate=lambda: run_pass(model)
    )
    _, after = undisturbed(scenario)
    scenario.prepare()
    with session("report") as report, patient():
        report.execute("BEGIN")
        report.execute(f"SELECT count(*) FROM {model._meta.db_table}")
        with forked(scenario.operate, VICTIM) as victim:
            wait_until(lambda: pending(model))
            victim.kill()
        if is_noticed:
            terminate_backends(VICTIM)
        assert pending(model)
        assert run_pass(model) is Outcome.DEFERRED
        report.execute("COMMIT")
    wait_until_gone(VICTIM)
    run_pass(model)
    assert not after.difference(observe(model))


def pending(model: type[models.Model]) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits"
            " WHERE inhparent = %s::regclass AND inhdetachpending",
            [model._meta.db_table],
        )
        return [name for (name,) in cursor.fetchall()]


@contextmanager
def patient() -> Iterator[None]:
    """Let a detach begin although somebody has the table for long, and wait for little else."""
    options = {"LONG_TRANSACTION_MS": 60_000, "LOCK_WAIT_SECONDS": 1}
    with override_settings(PG_TIMEPART=options):
        yield
