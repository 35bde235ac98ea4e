"""A model of the catalog that plans can be applied to, for the tests of planning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

from pg_timepart.constants import ActionKind, PeriodType
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.key_formats.timestamps import TimestampKey
from pg_timepart.partitions.periods import Period
from pg_timepart.partitions.plan import Action, Known, Plan, PlanInput, Policy
from pg_timepart.partitions.planner import plan_pass
from pg_timepart.partitions.tables import Parent, Partition

_oids = count(1000)


def at(text: str) -> datetime:
    """Return the moment; UTC where the text says no offset."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def bounds(start: str | None, end: str | None) -> Bounds:
    """Return the range between two moments; None is without one."""
    return Bounds(start=at(start) if start else None, end=at(end) if end else None)


def policy(unit: PeriodType = PeriodType.Month, **changes: Any) -> Policy:
    """Return a monthly policy that keeps everything, with these changes."""
    values: dict[str, Any] = {
        "period": Period(unit),
        "zone": UTC,
        "premake": 2,
        "interval": None,
        "attach_tablespace": None,
        "detach_tablespace": None,
        "drop_after": None,
        "max_retire": 31,
        "keep_foreign_keys": False,
    }
    return Policy(**{**values, **changes})


def plan_input(parent: Parent, known: Iterable[Known], policy: Policy, now: datetime) -> PlanInput:
    """Return what a planner is given."""
    return PlanInput(parent=parent, known=tuple(known), policy=policy, now=now)


def partition(extent: Bounds | None, **changes: Any) -> Partition:
    """Return an attached partition with these bounds; without any, the default partition."""
    oid = next(_oids)
    values: dict[str, Any] = {
        "oid": oid,
        "schema": "public",
        "name": f"leaf_{oid}",
        "bounds": extent,
        "tablespace": "pg_default",
        "is_attached": True,
        "is_default": extent is None,
    }
    return Partition(**{**values, **changes})


def detached(**changes: Any) -> Partition:
    """Return a table that was a partition once."""
    return partition(None, is_attached=False, is_default=False, **changes)


def parent(
    partitions: Iterable[Partition] = (),
    detached: Iterable[Partition] = (),
    tablespace: str | None = None,
    *,
    has_foreign_keys: bool = False,
) -> Parent:
    """Return a partitioned table."""
    return Parent(
        oid=1,
        schema="public",
        name="shop_event",
        key_format=TimestampKey(),
        key="timestamp",
        key_type="timestamp with time zone",
        description="RANGE (timestamp)",
        tablespace=tablespace,
        home="pg_default",
        partitions=tuple(partitions),
        detached=tuple(detached),
        read_at=at("2024-01-01"),
        has_foreign_keys=has_foreign_keys,
    )


def monthly(*starts: str) -> list[Partition]:
    """Return a partition for the whole month after each of these days."""
    month = Period(PeriodType.Month)
    return [partition(month.bounds_at(at(start), UTC)) for start in starts]


def known(partition: Partition, extent: Bounds | None = None, **facts: Any) -> Known:
    """Return what our row of the partition says."""
    found = extent or partition.bounds
    assert found is not None
    return Known(oid=partition.oid, bounds=found, is_attached=partition.is_attached, **facts)


def spans(plan: Plan, kind: ActionKind = ActionKind.CREATE) -> list[tuple[str, str]]:
    """Return the bounds of the plan's actions of this kind, as days or moments in UTC."""
    return [
        (_text(each.bounds.start), _text(each.bounds.end))
        for each in plan.actions
        if each.kind is kind and each.bounds is not None
    ]


def _text(moment: datetime | None) -> str:
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M}".removesuffix(" 00:00")


def retired(plan: Plan) -> list[tuple[str, str]]:
    """Return the bounds of what the plan detaches."""
    return spans(plan, ActionKind.DETACH)


class Table:
    """One table and our rows of it, to which plans are applied as the server would."""

    def __init__(self, parent: Parent, rows: Sequence[Known], policy: Policy) -> None:
        self.attached = {each.oid: each for each in parent.partitions}
        self.detached = {each.oid: each for each in parent.detached}
        self.rows = {each.oid: each for each in rows}
        self.policy = policy
        self._parent = parent

    @property
    def parent(self) -> Parent:
        """What the catalog says now."""
        return replace(
            self._parent,
            partitions=tuple(self.attached.values()),
            detached=tuple(self.detached.values()),
        )

    @property
    def known(self) -> list[Known]:
        """What our rows say now."""
        return list(self.rows.values())

    def plan(self, now: datetime) -> Plan:
        """Plan one pass."""
        return plan_pass(plan_input(self.parent, self.known, self.policy, now))

    def apply(self, plan: Plan, now: datetime) -> None:
        """Do what the plan says; refuses with AssertionError what the server would refuse."""
        for action in plan.actions:
            self._apply(action, now)

    def _apply(self, action: Action, now: datetime) -> None:
        if action.kind is ActionKind.CREATE:
            self._create(action)
        elif action.kind in {ActionKind.DETACH, ActionKind.FINALIZE}:
            self._detach(action, now)
        elif action.kind is ActionKind.MOVE:
            self._move(action)
        elif action.kind is ActionKind.ATTACH:
            self._attach(action)
        elif action.kind is ActionKind.UNLINK:
            self._unlink(action)
        else:
            assert action.kind is ActionKind.DROP
            assert action.oid is not None
            del self.detached[action.oid]
            del self.rows[action.oid]

    def _create(self, action: Action) -> None:
        assert action.bounds is not None
        assert action.oid is None
        self._refuse_overlap(action.bounds)
        made = partition(action.bounds, name=action.partition)
        self.attached[made.oid] = made
        self.rows[made.oid] = known(made)

    def _attach(self, action: Action) -> None:
        assert action.oid is not None
        assert action.bounds is not None
        self._refuse_overlap(action.bounds)
        leaf = replace(self.detached.pop(action.oid), is_attached=True, bounds=action.bounds)
        self.attached[leaf.oid] = leaf
        self.rows[leaf.oid] = known(leaf)

    def _detach(self, action: Action, now: datetime) -> None:
        assert action.oid is not None
        leaf = self.attached.pop(action.oid)
        assert leaf.is_pending == (action.kind is ActionKind.FINALIZE)
        assert leaf.bounds is not None
        off = replace(
            leaf,
            is_attached=False,
            is_pending=False,
            bounds=None,
            has_foreign_keys=self._parent.has_foreign_keys,
        )
        self.detached[leaf.oid] = off
        self.rows[leaf.oid] = known(off, leaf.bounds, detached_at=now)

    def _unlink(self, action: Action) -> None:
        assert action.oid is not None
        assert self.detached[action.oid].has_foreign_keys
        self.detached[action.oid] = replace(self.detached[action.oid], has_foreign_keys=False)

    def _move(self, action: Action) -> None:
        assert action.oid is not None
        assert action.tablespace is not None
        home = self.detached if action.oid in self.detached else self.attached
        home[action.oid] = replace(home[action.oid], tablespace=action.tablespace)
        row = self.rows.get(action.oid)
        if row is not None:
            self.rows[action.oid] = replace(row, unfinished=None)

    def _refuse_overlap(self, new: Bounds) -> None:
        for each in self.attached.values():
            assert each.bounds is None or not each.bounds.overlaps(new), (each, new)
