"""Steps as values: what the executor runs, and a dry run prints."""

from __future__ import annotations

from dataclasses import dataclass

from pg_timepart.partitions.tables import Relation
from pg_timepart.postgres.ddl import Lock, Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One transaction, or one statement alone."""

    summary: str
    """What it does, in a few words."""

    setup: tuple[Statement, ...] = ()
    """Run first, in the same transaction, before any lock that others could wait for."""

    locks: tuple[Lock, ...] = ()
    """Taken in this order, each within the lock budget."""

    watched: tuple[Lock, ...] = ()
    """What the statements take by themselves: looked at before a try, and not taken earlier."""

    altered: tuple[Relation, ...] = ()
    """Tables that the statements alter, empty or drop. The server refuses that while rows of theirs
    await a check at the end of the transaction."""

    awaits_snapshots: bool = False
    """Whether the statements wait for every older snapshot in the database."""

    statements: tuple[Statement, ...] = ()
    """Run once all locks are there."""

    is_unhurried: bool = False
    """Whether the statements may take long, because no application query can wait for them."""

    is_alone: bool = False
    """Whether the statement must run outside a transaction block."""

    refusal: str = ""
    """What there is to say where the statements alone take longer than the budget, again and again;
    empty where trying on may help."""

    off: Relation | None = None
    """A table that must hang on no parent once the locks are there; else nothing is done."""

    same: Relation | None = None
    """A table that must be what its name means once the locks are there; else nothing is done."""

    tablespace: str | None = None
    """Where indexes built in this step go."""
