"""Parents, partitions and their details as values: what the readers of the catalog return."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pg_timepart.partitions.bounds import BoundLiterals, Bounds
from pg_timepart.partitions.key_formats.base import KeyFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table, identified by its OID and named as DDL must name it."""

    oid: int
    """``pg_class.oid``: survives renaming, changes with dump and restore."""

    schema: str
    """Name of its schema, unquoted."""

    name: str
    """Its name, unquoted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionComment:
    """COMMENT ON TABLE as we write it. It survives dump, restore and the loss of our logs."""

    label: str
    """The label of the model whose partition the table is, ``app.model``."""

    bounds: Bounds
    """The bounds that it was made for."""

    schema: str | None = None
    """The schema of the parent; None in a comment of old, which names no parent."""

    table: str | None = None
    """The parent's name, or None with the schema."""

    literals: BoundLiterals | None = None
    """The bounds as literals, where the moments of the key format do not tell them."""

    def names(self, parent: Relation) -> bool:
        """Return whether it names this parent."""
        return (self.schema, self.table) == (parent.schema, parent.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition(Relation):
    """A direct child of a partitioned table, or a table that once was one."""

    bounds: Bounds | None
    """Both bounds as the catalog has them; None for a default partition and for a detached one."""

    literals: BoundLiterals | None = None
    """The bounds as the catalog has them; of a detached one, as its comment says."""

    tablespace: str
    """The tablespace; the database's default one by its real name."""

    is_attached: bool
    """Whether it is in ``pg_inherits``; also true while a detach is pending."""

    is_pending: bool = False
    """Whether a concurrent detach began and did not end."""

    is_default: bool = False
    """Whether it takes the rows that no other partition takes."""

    exclusion_checks: tuple[str, ...] = ()
    """Names of our exclusion CHECK constraints on a default partition: it refuses rows of their
    ranges. While no run is at work, they are what an interrupted create or attach left."""

    comment: PartitionComment | None = None
    """Our comment on it, parsed; None where there is none."""

    has_comment: bool = False
    """Whether it has any comment, ours or not."""

    owner: str = ""
    """The role that owns it."""

    has_foreign_keys: bool = False
    """Whether a detached table still has foreign keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent(Relation):
    """A table that a model declares as partitioned, with its partitions."""

    key_format: KeyFormat | None
    """What the key's values say about time; None where the table is not partitioned by range of
    one column of a type that the declared format has."""

    key: str | None
    """Name of the partition key's column; None where there is not exactly one."""

    key_type: str | None
    """The type of that column as ``format_type`` prints it, or None with it."""

    description: str
    """How it is partitioned: ``RANGE (column)``, ``LIST (...)``, or ``not partitioned``."""

    tablespace: str | None
    """The tablespace that new partitions inherit, or None for the database's default."""

    home: str
    """The database's default tablespace by its real name."""

    partitions: tuple[Partition, ...]
    """Everything attached, pending detaches included, in the order of the bounds."""

    detached: tuple[Partition, ...]
    """Those of the asked-for OIDs that exist and are attached to no parent."""

    read_at: datetime
    """The server's clock when it answered."""

    has_foreign_keys: bool = False
    """Whether it has foreign keys, as a partition that is detached from it still has them."""

    owner: str = ""
    """The role that owns it."""

    @property
    def is_partitioned(self) -> bool:
        """Whether it is partitioned at all, in whatever way."""
        return self.description != "not partitioned"

    @property
    def default(self) -> Partition | None:
        """The default partition, or None."""
        return next((each for each in self.partitions if each.is_default), None)

    @property
    def ranged(self) -> tuple[Partition, ...]:
        """The partitions that have bounds."""
        return tuple(each for each in self.partitions if each.bounds is not None)

    @property
    def span(self) -> Bounds:
        """The moments that values of the key can have."""
        return self.key_format.span if self.key_format else Bounds(start=None, end=None)

    @property
    def is_exact(self) -> bool:
        """Whether the moments of bounds tell their literals."""
        return self.key_format is None or self.key_format.is_exact

    def noted(self, literals: BoundLiterals | None) -> BoundLiterals | None:
        """Return the literals for a comment or a page; None where moments say the same."""
        return None if self.is_exact else literals

    @property
    def names(self) -> frozenset[str]:
        """The names of its partitions, attached or not, in whatever schema."""
        return frozenset(each.name for each in (*self.partitions, *self.detached))

    @property
    def names_elsewhere(self) -> frozenset[str]:
        """Those names that partitions in other schemas than its own have."""
        there = (*self.partitions, *self.detached)
        return frozenset(each.name for each in there if each.schema != self.schema)
