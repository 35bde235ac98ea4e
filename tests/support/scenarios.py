"""Scenarios to disturb: the table before, the operation, and what the next pass does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection, models
from django.test import override_settings

from pg_timepart.constants import Outcome
from pg_timepart.maintenance.maintain import maintain
from pg_timepart.models import PartitionLog
from tests.apps.depot.models import Pallet, Weighing
from tests.apps.foundry.models import Pulse
from tests.apps.plant.models import Machine, Measurement, Reading
from tests.support.key_values import key_at
from tests.support.table_state import State, change_policy, observe, reset_table

NOW = dt.datetime(2024, 3, 10, 12, tzinfo=dt.UTC)
OLD = dt.datetime(2024, 3, 5, tzinfo=dt.UTC)

LEAF = "plant_measurement_20240305_20240306"
SPOIL_INDEX = f"DROP INDEX {LEAF}_value_idx"
SPOIL_CONSTRAINTS = f"""
DO $$ DECLARE name name; BEGIN
FOR name IN SELECT conname FROM pg_constraint
            WHERE conrelid = '{LEAF}'::regclass AND contype IN ('f', 'c', 'p')
LOOP EXECUTE format('ALTER TABLE {LEAF} DROP CONSTRAINT %I', name); END LOOP; END $$
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One operation to be disturbed."""

    model: type[models.Model]
    prepare: Callable[[], object]
    """Makes the table as it is before, from whatever it is."""

    operate: Callable[[], object]
    """What is disturbed."""

    through: tuple[str, ...] = ()
    """Parts of the statements that the operation must run, or nothing is proved."""

    is_by_hand: bool = False
    """Nobody but its caller knows of it until it has begun, so its caller repeats it."""


def undisturbed(scenario: Scenario) -> tuple[State, State]:
    """Return the states before and after a run that nothing disturbs."""
    scenario.prepare()
    before = observe(scenario.model)
    scenario.operate()
    after = observe(scenario.model)
    assert before != after
    return before, after


def what_is_left(scenario: Scenario, before: State, after: State, where: str) -> Iterator[str]:
    """Run the next pass, and yield what is not as it should be then."""
    is_to_be_repeated = scenario.is_by_hand and observe(scenario.model) == before
    outcome = run_pass(scenario.model)
    if outcome not in (Outcome.DONE, Outcome.UNCHANGED):
        yield f"after {where} the pass ended {outcome}"
    if is_to_be_repeated:
        scenario.operate()
    difference = after.difference(observe(scenario.model))
    if difference:
        yield f"after {where}\n{difference}"


def run_pass(model: type[models.Model]) -> Outcome:
    """Run a pass as of NOW and return how it ended."""
    return maintain(model._meta.label_lower, now=NOW).outcome


def prepare_old(model: type[models.Model], **policy: Any) -> Callable[[], None]:
    """Return what makes a table with room ahead, and an old partition with a row."""

    def prepare() -> None:
        reset_table(model)
        partitioning: Any = getattr(model, "partitioning")  # noqa: B009
        run_pass(model)
        partitioning.create_range(OLD, OLD + dt.timedelta(days=1))
        insert(model, OLD, 1)
        insert(model, NOW, 2)
        change_policy(model, **policy)

    return prepare


def insert(model: type[models.Model], at: dt.datetime, value: int) -> None:
    """Insert a row, with what it refers to."""
    extra: dict[str, Any] = {}
    if model is Measurement:
        extra["machine"] = Machine.objects.get_or_create(name="press")[0]
    model._default_manager.create(value=value, **key_at(model, at, value), **extra)


def default_partition(model: type[models.Model]) -> str:
    """Return the statement that makes a default partition."""
    return f"CREATE TABLE {rest_of(model)} PARTITION OF {model._meta.db_table} DEFAULT"


def rest_of(model: type[models.Model]) -> str:
    """Return the name of the default partition."""
    return f"{model._meta.db_table}_rest"


def old_partition(model: type[models.Model]) -> PartitionLog:
    """Return the row of the old partition."""
    return PartitionLog.objects.get(config__model_label=model._meta.label_lower, start=OLD)


def prepare_detached(model: type[models.Model], *statements: str) -> Callable[[], None]:
    """Return what makes a table whose old partition is detached, and runs the statements."""
    attached = prepare_old(model, keep_foreign_keys=True)

    def prepare() -> None:
        attached()
        old_partition(model).detach()
        execute(*statements)

    return prepare


def execute(*statements: str) -> None:
    """Run the statements on the default connection."""
    with connection.cursor() as cursor:
        for each in statements:
            cursor.execute(each)


def pending(model: type[models.Model]) -> list[str]:
    """Return the partitions whose concurrent detach began and did not end."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits"
            " WHERE inhparent = %s::regclass AND inhdetachpending",
            [model._meta.db_table],
        )
        return [name for (name,) in cursor.fetchall()]


@contextmanager
def patient(wait_seconds: float = 1) -> Iterator[None]:
    """Let a detach begin although somebody has the table for long, and wait for little else."""
    options = {"LONG_TRANSACTION_MS": 60_000, "LOCK_WAIT_SECONDS": wait_seconds}
    with override_settings(PG_TIMEPART=options):
        yield


def create_ahead() -> Scenario:
    """A table without a partition gets its first ones."""
    return Scenario(
        model=Measurement,
        prepare=lambda: reset_table(Measurement),
        operate=lambda: run_pass(Measurement),
        through=(
            "CREATE TABLE",
            "COMMENT ON",
            "after ALTER TABLE",
            "ATTACH PARTITION",
            "partitionlog",
        ),
    )


def detach_and_move(archive: str) -> Scenario:
    """A partition is detached concurrently, then moved."""
    return Scenario(
        model=Pallet,
        prepare=prepare_old(Pallet, interval=2, detach_tablespace=archive),
        operate=lambda: run_pass(Pallet),
        through=("partitionlog", "CONCURRENTLY", "SET TABLESPACE", "after DO", "partitionrun"),
    )


def detach_with_a_foreign_key() -> Scenario:
    """A partition that refers to another table is detached concurrently."""
    return Scenario(
        model=Measurement,
        prepare=prepare_old(Measurement, interval=2),
        operate=lambda: run_pass(Measurement),
        through=("partitionlog", "CONCURRENTLY", "DROP CONSTRAINT", "partitionrun"),
    )


def detach_what_a_table_refers_to() -> Scenario:
    """A partition is detached whose table another one refers to, by a row of another partition."""
    attached = prepare_old(Pallet, interval=2)

    def prepare() -> None:
        attached()
        Weighing.objects.create(pallet=Pallet.objects.get(value=2))

    return Scenario(
        model=Pallet,
        prepare=prepare,
        operate=lambda: run_pass(Pallet),
        through=("partitionlog", "CONCURRENTLY", "partitionrun"),
    )


def detach_beside_a_default_partition() -> Scenario:
    """A partition is detached in a transaction."""
    attached = prepare_old(Reading, interval=2)

    def prepare() -> None:
        attached()
        execute(default_partition(Reading))

    return Scenario(
        model=Reading,
        prepare=prepare,
        operate=lambda: run_pass(Reading),
        through=("LOCK TABLE", "after ALTER TABLE", "partitionrun"),
    )


def create_beside_a_big_default_partition() -> Scenario:
    """A partition is made beside a default partition that needs an exclusion CHECK first."""

    def prepare() -> None:
        reset_table(Pallet)
        execute(
            default_partition(Pallet),
            f"UPDATE pg_class SET relpages = 1000 WHERE relname = '{rest_of(Pallet)}'",
        )
        insert(Pallet, OLD, 1)

    return Scenario(
        model=Pallet,
        prepare=prepare,
        operate=lambda: run_pass(Pallet),
        through=("ADD CONSTRAINT", "VALIDATE", "CREATE TABLE", "ATTACH", "DROP CONSTRAINT"),
    )


def attach() -> Scenario:
    """A detached partition is put back."""
    return Scenario(
        model=Pallet,
        prepare=prepare_detached(Pallet),
        operate=lambda: old_partition(Pallet).attach(),
        is_by_hand=True,
        through=("partitionlog", "ATTACH PARTITION", "DROP CONSTRAINT", "partitionrun"),
    )


def attach_without_index_and_foreign_key() -> Scenario:
    """A detached partition is put back that lacks what its parent has."""
    return Scenario(
        model=Measurement,
        prepare=prepare_detached(Measurement, SPOIL_INDEX, SPOIL_CONSTRAINTS),
        operate=lambda: old_partition(Measurement).attach(),
        is_by_hand=True,
        through=("ADD PRIMARY KEY", "CREATE INDEX", "ADD CONSTRAINT", "VALIDATE", "ATTACH"),
    )


def move_a_detached_one(archive: str) -> Scenario:
    """A detached partition is moved by hand."""
    return Scenario(
        model=Pulse,
        prepare=prepare_detached(Pulse),
        operate=lambda: old_partition(Pulse).set_tablespace(archive),
        is_by_hand=True,
        through=("partitionlog", "SET TABLESPACE", "after DO", "partitionrun"),
    )


def drop_after_the_grace() -> Scenario:
    """A partition that was detached long ago is dropped by the pass."""
    detached = prepare_detached(Measurement)

    def prepare() -> None:
        detached()
        change_policy(Measurement, drop_after=dt.timedelta(days=30))
        PartitionLog.objects.filter(start=OLD).update(detached_at=NOW - dt.timedelta(days=31))

    return Scenario(
        model=Measurement,
        prepare=prepare,
        operate=lambda: run_pass(Measurement),
        through=("partitionlog", "DROP CONSTRAINT", "after DROP TABLE", "DELETE FROM"),
    )


def drop_by_hand() -> Scenario:
    """A detached partition is dropped by hand."""
    return Scenario(
        model=Measurement,
        prepare=prepare_detached(Measurement),
        operate=lambda: old_partition(Measurement).delete(),
        is_by_hand=True,
        through=("partitionlog", "DROP CONSTRAINT", "after DROP TABLE", "DELETE FROM"),
    )
