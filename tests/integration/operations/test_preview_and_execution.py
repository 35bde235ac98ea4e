"""The preview of an action shows the statements that its execution sends, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pg_timepart.constants import ActionKind
from pg_timepart.maintenance.next_plan import dry_work
from pg_timepart.maintenance.preview import preview_plan
from pg_timepart.maintenance.run import Request, run
from pg_timepart.maintenance.target import target_of
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.plan import Action, Plan
from tests.apps.fleet.models import Cargo, Ship
from tests.support.database import Database, at, outcomes
from tests.support.table_setup import leave_a_detach_pending

pytest_plugins = ("tests.support.database_fixtures",)

DAYS = ("2024-01-01", "2024-02-01", "2024-03-01")
AROUND = ("BEGIN", "COMMIT", "SET LOCAL", "LOCK TABLE")


def on(database: Database, kind: ActionKind, model: Any = Ship, **facts: Any) -> Action:
    """Return the action on the older of two partitions."""
    log = database.cover(model, *DAYS)[0]
    return Action(
        kind=kind, partition=log.table_name, bounds=log.bounds, oid=log.relid, reason="", **facts
    )


def create(database: Database) -> Action:
    bounds = Bounds(start=at("2024-03-01"), end=at("2024-04-01"))
    database.cover(Ship, *DAYS)
    return Action(kind=ActionKind.CREATE, partition="fleet_ship_march", bounds=bounds, reason="")


def finalize(database: Database) -> Action:
    action = on(database, ActionKind.FINALIZE)
    leave_a_detach_pending(Ship, action.partition)
    return action


def detached(database: Database, kind: ActionKind, model: Any = Ship, **facts: Any) -> Action:
    action = on(database, kind, model, **facts)
    model.partitioning.detach_partition(database.logs(model)[0])
    return action


def unlink(database: Database) -> Action:
    database.configure(Cargo, keep_foreign_keys=True)
    return detached(database, ActionKind.UNLINK, Cargo)


PREPARED: dict[ActionKind, Callable[[Database], Action]] = {
    ActionKind.CREATE: create,
    ActionKind.DETACH: lambda database: on(database, ActionKind.DETACH),
    ActionKind.FINALIZE: finalize,
    ActionKind.UNLINK: unlink,
    ActionKind.ATTACH: lambda database: detached(database, ActionKind.ATTACH),
    ActionKind.MOVE: lambda database: detached(database, ActionKind.MOVE, tablespace="pg_default"),
    ActionKind.DROP: lambda database: detached(database, ActionKind.DROP),
    ActionKind.TRUNCATE: lambda database: on(database, ActionKind.TRUNCATE),
}


def previewed_and_executed(model: Any, action: Action) -> tuple[list[str], list[str]]:
    plan = Plan(actions=(action,))
    (shown,) = preview_plan(dry_work(target_of(model)), plan).actions
    report = run(target_of(model), Request(operation="test", planner=lambda _: plan))
    assert outcomes(report) == [(action.kind.value, "done")]
    previewed = [
        statement
        for step in shown.steps
        for statement in step.statements
        if not statement.startswith(AROUND)
    ]
    return previewed, [each.strip() for each in report.actions[0].statements]


@pytest.mark.parametrize("kind", PREPARED)
def test_what_is_previewed_is_executed(database: Database, kind: ActionKind) -> None:
    action = PREPARED[kind](database)
    previewed, executed = previewed_and_executed(
        Cargo if kind is ActionKind.UNLINK else Ship, action
    )
    assert previewed == executed
    assert previewed


def test_what_is_previewed_of_a_release_is_executed(database_with_default: Database) -> None:
    database_with_default.execute(
        "ALTER TABLE fleet_rest ADD CONSTRAINT pg_timepart_excludes"
        " CHECK (sailed_at < '1999-01-01' OR sailed_at >= '1999-02-01') NOT VALID"
    )
    oid = database_with_default.one("SELECT 'fleet_rest'::regclass::oid::int")
    action = Action(
        kind=ActionKind.RELEASE, partition="fleet_rest", bounds=None, oid=oid, reason=""
    )
    previewed, executed = previewed_and_executed(Ship, action)
    assert previewed == executed
    assert previewed


def test_every_kind_is_tried() -> None:
    assert {*PREPARED, ActionKind.RELEASE} == set(ActionKind)


def test_the_preview_says_what_would_refuse_a_drop(database: Database) -> None:
    action = on(database, ActionKind.DROP)
    (shown,) = preview_plan(dry_work(target_of(Ship)), Plan(actions=(action,))).actions
    assert shown.steps == ()
    assert shown.note.startswith(f"This would fail: {action.partition} is attached")
