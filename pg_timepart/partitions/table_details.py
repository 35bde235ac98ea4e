"""Details of tables as values: what a new partition or an attach needs beside bounds. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pg_timepart.partitions.tables import Relation


@dataclass(frozen=True, slots=True, kw_only=True)
class Referring(Relation):
    """A table with a foreign key that refers to a parent; it may be the parent itself."""

    may_be_locked: bool
    """Whether our role has the right to LOCK it, which ATTACH and DETACH do not need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One privilege on a table or on one of its columns."""

    privilege: str
    """``SELECT``, ``INSERT``, ... as the server names it."""

    grantee: str | None
    """The role; None for PUBLIC."""

    is_grantable: bool
    """Whether it was given WITH GRANT OPTION."""

    column: str | None
    """The column that it is limited to, or None for the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPolicy:
    """One row security policy, as ``pg_policies`` shows it."""

    name: str
    permissive: str
    roles: tuple[str, ...]
    command: str
    using: str | None
    check: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What a new partition needs beside ``CREATE TABLE ... LIKE``, and what ATTACH affects."""

    owner: str
    """The role that owns the parent."""

    is_owned_by_us: bool
    """Whether that is the current role."""

    referenced: tuple[Relation, ...]
    """The tables that foreign keys of the parent refer to, in the order in which to lock them."""

    referring: tuple[Referring, ...]
    """The tables with foreign keys that refer to the parent, in the same order."""

    grants: tuple[Grant, ...]
    """Privileges given on the parent."""

    has_row_security: bool
    """ROW LEVEL SECURITY is enabled."""

    forces_row_security: bool
    """It holds for the owner too."""

    policies: tuple[RowPolicy, ...]
    """The parent's policies."""

    replica_identity: str
    """``pg_class.relreplident`` of the parent: d, n, f or i."""

    storage: tuple[tuple[str, str], ...]
    """Storage parameters of the newest attached partition; a parent cannot have any."""

    has_stray_indexes: bool
    """Some index of the parent names a tablespace, which ``LIKE`` would copy."""

    has_exclusions: bool
    """Whether it has exclusion constraints. LIKE copies them, and ATTACH builds each once more."""

    default_pages: int
    """Size of the default partition in pages as last counted, or as its rows suggest since then;
    0 where there is none."""

    default_checks: tuple[str, ...]
    """Checks on the default partition that an interrupted create of ours left there."""

    others_checks: tuple[str, ...] = ()
    """Constraints of others on it that are named like these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafCheck:
    """A CHECK constraint on a leaf that says just what its bounds say."""

    name: str
    is_validated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """A foreign key of the parent."""

    name: str
    definition: str
    """Ready to follow ``ADD CONSTRAINT name``."""

    target: Relation
    is_validated: bool
    """Whether its rows are checked; from 18 on, a parent's may be NOT VALID or NOT ENFORCED."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSecurity:
    """The row security that a table has."""

    is_enabled: bool = False
    is_forced: bool = False
    policies: frozenset[str] = frozenset()
    """Names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A detached table compared with its parent: what ATTACH needs, and what it would build."""

    relation: Relation
    bounds_checks: tuple[LeafCheck, ...]
    """Checks that let ATTACH skip its scan, whoever made them."""

    constraints: frozenset[str]
    """The names of all constraints that it has."""

    foreign_keys: tuple[tuple[str, Relation], ...]
    """Name and referenced table of each foreign key that it still has."""

    unvalidated: tuple[str, ...]
    """Names of those foreign keys that are not checked yet, and are on the parent."""

    missing: tuple[str, ...]
    """Definitions, ready to follow ``ALTER TABLE leaf ADD`` or ``CREATE [UNIQUE] INDEX ON leaf``,
    that the parent has and the leaf has not."""

    exclusions: tuple[str, ...]
    """Names of its exclusion constraints that the parent has too: ATTACH builds them anew."""

    missing_foreign_keys: tuple[ForeignKey, ...]
    """Foreign keys that only the parent has."""

    row_security: RowSecurity
