"""Check that an operation changed what it may, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from proof.drift.expected_state import ExpectedState
from proof.drift.observed_tables import Table, TableSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedChanges:
    """What an operation of ours may do, by OID; everything else must stay as it is."""

    detach: frozenset[int] = frozenset()
    attach: frozenset[int] = frozenset()
    drop: frozenset[int] = frozenset()
    empty: frozenset[int] = frozenset()


def check_changes(
    before: TableSnapshot,
    after: TableSnapshot,
    allowed: AllowedChanges,
    expected: ExpectedState,
    now: datetime,
) -> None:
    """Compare what was and what is, and note in the expected state what was asked for."""
    now_there = after.by_oid
    for old in before:
        new = now_there.get(old.oid)
        if new is None:
            assert old.oid in allowed.drop, f"{old.name} was dropped"
            expected.forget(old.values)
            continue
        _check_attachment(old, new, allowed)
        if old.is_attached and not new.is_attached:
            assert _may_be_unmarked(old) or new.comment, f"nothing tells whose {new.name} is"
            expected.is_detached_by_us(old.oid, now)
        if old.values - new.values:
            assert old.oid in allowed.empty, f"{old.name} was emptied"
            expected.forget(old.values - new.values)


def _check_attachment(old: Table, new: Table, allowed: AllowedChanges) -> None:
    if old.is_attached and not new.is_attached:
        assert old.oid in allowed.detach, f"{old.name} was detached"
    if new.is_attached and not old.is_attached:
        assert old.oid in allowed.attach or not old.values, f"{old.name} was attached"


def _may_be_unmarked(old: Table) -> bool:
    """Whether somebody else had begun to detach it, or it had no bounds to tell."""
    return old.is_pending or old.bounds is None
