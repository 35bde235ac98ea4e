"""Scenarios to disturb: operations on what is half done already, and on what is attached."""

from __future__ import annotations

from tests.apps.depot.models import Pallet
from tests.apps.foundry.models import Pulse
from tests.apps.plant.models import Measurement, Reading
from tests.support.processes import die_at
from tests.support.scenarios import (
    Scenario,
    default_partition,
    execute,
    old_partition,
    prepare_detached,
    prepare_old,
    rest_of,
    run_pass,
)
from tests.support.table_setup import leave_a_detach_pending


def finalize_and_move(archive: str) -> Scenario:
    """A pass begins with a detach of ours that was cut short, ends it, and moves the partition."""
    attached = prepare_old(Pallet, interval=2, detach_tablespace=archive)

    def prepare() -> None:
        attached()
        # Together as by a worker that dies while the server is at its statement.
        die_at("before ALTER TABLE", lambda: run_pass(Pallet))
        leave_a_detach_pending(Pallet)

    return Scenario(
        model=Pallet,
        prepare=prepare,
        operate=lambda: run_pass(Pallet),
        through=("FINALIZE", "partitionlog", "SET TABLESPACE", "after DO", "partitionrun"),
    )


def finalize_with_a_foreign_key() -> Scenario:
    """A pass ends a detach that was cut short, of what refers to another table."""
    attached = prepare_old(Measurement, interval=2)

    def prepare() -> None:
        attached()
        leave_a_detach_pending(Measurement)

    return Scenario(
        model=Measurement,
        prepare=prepare,
        operate=lambda: run_pass(Measurement),
        through=("LOCK TABLE", "FINALIZE", "partitionlog", "partitionrun"),
    )


def call_off_a_pending_detach() -> Scenario:
    """What is half detached is put back: that detach is ended first."""
    attached = prepare_old(Measurement)

    def prepare() -> None:
        attached()
        leave_a_detach_pending(Measurement)

    return Scenario(
        model=Measurement,
        prepare=prepare,
        operate=lambda: old_partition(Measurement).attach(),
        is_by_hand=True,
        through=("partitionlog", "FINALIZE", "ATTACH PARTITION", "partitionrun"),
    )


def attach_beside_a_default_partition() -> Scenario:
    """A detached partition is put back whose range the default partition must not hold."""
    detached = prepare_detached(Pulse)

    def prepare() -> None:
        detached()
        execute(default_partition(Pulse))

    return Scenario(
        model=Pulse,
        prepare=prepare,
        operate=lambda: old_partition(Pulse).attach(),
        is_by_hand=True,
        through=("partitionlog", "LOCK TABLE", "after ALTER TABLE", "partitionrun"),
    )


def release_a_default_partition() -> Scenario:
    """A pass drops the exclusion CHECK that a killed create left on a default partition."""
    attached = prepare_old(Reading)

    def prepare() -> None:
        attached()
        execute(
            default_partition(Reading),
            f"ALTER TABLE {rest_of(Reading)} ADD CONSTRAINT pg_timepart_excludes"
            " CHECK (at < '1999-01-01' OR at >= '1999-01-02') NOT VALID",
        )

    return Scenario(
        model=Reading,
        prepare=prepare,
        operate=lambda: run_pass(Reading),
        through=("LOCK TABLE", "DROP CONSTRAINT", "partitionrun"),
    )


def move_an_attached_one(archive: str) -> Scenario:
    """A partition is moved while it is in use."""
    return Scenario(
        model=Reading,
        prepare=prepare_old(Reading),
        operate=lambda: old_partition(Reading).set_tablespace(archive),
        is_by_hand=True,
        through=("partitionlog", "SET TABLESPACE", "after DO", "partitionrun"),
    )


def truncate() -> Scenario:
    """A partition is emptied."""
    return Scenario(
        model=Reading,
        prepare=prepare_old(Reading),
        operate=lambda: Reading.partitioning.truncate_partition(old_partition(Reading)),
        is_by_hand=True,
        through=("before TRUNCATE", "after TRUNCATE", "partitionrun"),
    )
