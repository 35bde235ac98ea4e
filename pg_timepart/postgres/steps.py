"""Steps of an action as values: what the executor runs, and a dry run prints. Pure.

Each is one transaction, or one statement that cannot be in one. After each, the same action can
begin again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pg_timepart.partitions.table_details import Referring
from pg_timepart.partitions.tables import Parent, Relation
from pg_timepart.postgres.ddl import Lock, Statement

ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE"
SHARE = "SHARE"
SHARE_ROW_EXCLUSIVE = "SHARE ROW EXCLUSIVE"
SHARE_UPDATE_EXCLUSIVE = "SHARE UPDATE EXCLUSIVE"

_RANKS = (SHARE_UPDATE_EXCLUSIVE, SHARE, SHARE_ROW_EXCLUSIVE, ACCESS_EXCLUSIVE)
"""Modes from the weakest to the strongest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One transaction, or one statement alone."""

    summary: str
    """What it does, in a few words."""

    setup: tuple[Statement, ...] = ()
    """Run first, in the same transaction, before any lock that others could wait for."""

    locks: tuple[Lock, ...] = ()
    """Taken in this order, each within the lock budget."""

    implicit_locks: tuple[Lock, ...] = ()
    """What the statements take by themselves: not taken earlier, but who holds them is waited for
    before a try."""

    altered: tuple[Relation, ...] = ()
    """Tables that the statements alter, empty or drop. The server refuses that while rows of theirs
    await a check at the end of the transaction."""

    awaits_snapshots: bool = False
    """Whether the statements wait for every older snapshot in the database."""

    statements: tuple[Statement, ...] = ()
    """Run once all locks are there."""

    is_unhurried: bool = False
    """Whether the statements may take long, because no application query waits for them."""

    is_alone: bool = False
    """Whether the statement must run outside a transaction block."""

    refusal: str = ""
    """What there is to say where the statements alone take longer than the budget, again and again;
    empty where trying on may help."""

    unattached: Relation | None = None
    """A table that must be attached to no parent once the locks are taken; else nothing is done."""

    unrenamed: Relation | None = None
    """A table that must still have its name once the locks are taken; else nothing is done."""

    tablespace: str | None = None
    """The tablespace of indexes built in this step."""


def locked(relations: Sequence[Relation], mode: str) -> tuple[Lock, ...]:
    """Return a lock of this mode on each."""
    return tuple(Lock(relation=each, mode=mode) for each in relations)


def default_of(parent: Parent) -> tuple[Relation, ...]:
    """Return the default partition, or none."""
    return (parent.default,) if parent.default is not None else ()


def in_lock_order(parent: Parent, mode: str, related: Iterable[Lock]) -> tuple[Lock, ...]:
    """Return locks of the tables at the other ends of foreign keys, by OID, and of the parent last.

    Each table once, in the strongest mode: one may refer to the parent and be referred to by it,
    and the parent may refer to itself.
    """
    strongest: dict[int, Lock] = {}
    for each in (Lock(relation=parent, mode=mode), *related):
        other = strongest.get(each.relation.oid)
        if other is None or _RANKS.index(each.mode) > _RANKS.index(other.mode):
            strongest[each.relation.oid] = each
    own = strongest.pop(parent.oid)
    return (*(strongest[oid] for oid in sorted(strongest)), own)


def attach_locks(
    parent: Parent,
    referenced: Iterable[Lock],
    referring: Sequence[Referring],
    *leaves: Relation,
) -> tuple[Lock, ...]:
    """Return the locks that ATTACH takes, in the one order that every step keeps to."""
    related = (*referenced, *locked(lockable(referring), SHARE_ROW_EXCLUSIVE))
    return (
        *in_lock_order(parent, SHARE_UPDATE_EXCLUSIVE, related),
        *locked([*default_of(parent), *leaves], ACCESS_EXCLUSIVE),
    )


def lockable(referring: Iterable[Referring]) -> tuple[Referring, ...]:
    """Return the tables that our role may lock before the statement does."""
    return tuple(each for each in referring if each.may_be_locked)


def not_lockable(referring: Iterable[Referring]) -> tuple[Referring, ...]:
    """Return the tables that only the statement itself can lock."""
    return tuple(each for each in referring if not each.may_be_locked)


def unhurried(
    table: Relation,
    summary: str,
    *statements: Statement,
    mode: str = ACCESS_EXCLUSIVE,
    tablespace: str | None = None,
) -> Step:
    """Return a step that may take long, since it locks a table that no query uses."""
    return Step(
        summary=summary,
        locks=locked([table], mode),
        altered=(table,),
        statements=statements,
        is_unhurried=True,
        unattached=None if mode == SHARE_UPDATE_EXCLUSIVE else table,
        tablespace=tablespace,
    )
