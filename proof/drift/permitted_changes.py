"""Whether an operation of ours did what it may, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from proof.drift.ledger import Ledger
from proof.drift.observed_tables import Sight, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What an operation of ours may do, by OID; everything else must stay as it is."""

    detach: frozenset[int] = frozenset()
    attach: frozenset[int] = frozenset()
    drop: frozenset[int] = frozenset()
    empty: frozenset[int] = frozenset()


def judge(before: Sight, after: Sight, allowed: Allowed, ledger: Ledger, now: datetime) -> None:
    """Compare what was and what is, and enter in the ledger what was asked for."""
    now_there = after.by_oid
    for old in before:
        new = now_there.get(old.oid)
        if new is None:
            assert old.oid in allowed.drop, f"{old.name} was dropped"
            ledger.forget(old.values)
            continue
        _judge_place(old, new, allowed)
        if old.is_attached and not new.is_attached:
            assert _may_be_unmarked(old) or new.comment, f"nothing tells whose {new.name} is"
            ledger.is_detached_by_us(old.oid, now)
        if old.values - new.values:
            assert old.oid in allowed.empty, f"{old.name} was emptied"
            ledger.forget(old.values - new.values)


def _judge_place(old: Table, new: Table, allowed: Allowed) -> None:
    if old.is_attached and not new.is_attached:
        assert old.oid in allowed.detach, f"{old.name} was detached"
    if new.is_attached and not old.is_attached:
        assert old.oid in allowed.attach or not old.values, f"{old.name} was attached"


def _may_be_unmarked(old: Table) -> bool:
    """Whether somebody else had begun to detach it, or it had no bounds to tell."""
    return old.is_pending or old.bounds is None
