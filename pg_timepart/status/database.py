"""Catalog of one database as status needs it, read in a constant number of queries."""

from __future__ import annotations

from dataclasses import dataclass, field

from pg_timepart.findings import Code, Finding
from pg_timepart.maintenance.config_claims import Claim, claims_on, dispute, is_free
from pg_timepart.maintenance.target import Target, read_tables
from pg_timepart.models import PartitionLog
from pg_timepart.partitions.tables import Parent
from pg_timepart.postgres.column_differences import Difference, read_differences
from pg_timepart.postgres.lock_holders import Holder, read_advisory_holders
from pg_timepart.postgres.other_tools import OtherManager, read_other_managers
from pg_timepart.status.sizes import Figures, read_figures


@dataclass(slots=True, kw_only=True)
class Database:
    """What status reads of one database."""

    parents: dict[str, Parent]
    figures: dict[int, Figures]
    managers: dict[int, tuple[OtherManager, ...]]
    holders: dict[int, list[Holder]]
    """By table, for those whose last runs were all deferred: the holders of its advisory lock."""
    differences: dict[int, tuple[Difference, ...]]
    """Column differences of detached partitions from their parents, by OID."""
    claims: dict[int, list[Claim]] = field(default_factory=dict)
    """The configs that record partitions of each table."""

    def disputed(self, target: Target, parent: Parent) -> list[Finding]:
        """Return the finding that other configs claim the table, unless one will be relabelled."""
        rivals = [each for each in self.claims.get(parent.oid, []) if each.key != target.config.pk]
        is_taken_over = not target.keeps_logs and len(rivals) == 1
        if not rivals or (is_taken_over and is_free(rivals[0], parent, target.alias)):
            return []
        return [dispute(target.label, rivals)]

    def beside(self, parent: Parent) -> list[Finding]:
        """Return findings of other tools that manage the table."""
        return [Finding(Code.OTHER_TOOL, each.sentence) for each in self.managers[parent.oid]]


def read_database(
    targets: list[Target], logs: dict[str, list[PartitionLog]], deferred: frozenset[str]
) -> Database:
    """Return the catalog of the database of ``targets``; ``logs`` and ``deferred`` are by label."""
    connection = targets[0].connection
    parents = read_tables(connection, targets, lambda target: logs[target.label])
    kept = [
        parents[each.model._meta.db_table]
        for each in targets
        if each.label in deferred and each.model._meta.db_table in parents
    ]
    present = [
        each.oid for parent in parents.values() for each in (*parent.partitions, *parent.detached)
    ]
    return Database(
        parents=parents,
        figures=read_figures(connection, present),
        managers=read_other_managers(connection, parents.values()),
        holders=read_advisory_holders(connection, kept) if kept else {},
        differences=read_differences(connection, _pairs(targets, logs, parents)),
    )


def _pairs(
    targets: list[Target], logs: dict[str, list[PartitionLog]], parents: dict[str, Parent]
) -> list[tuple[int, int]]:
    """Return the OIDs of each detached partition and of its parent."""
    return [
        (parents[target.model._meta.db_table].oid, log.relid)
        for target in targets
        if target.model._meta.db_table in parents
        for log in logs[target.label]
        if not log.is_attached
    ]


def read_claims(targets: list[Target], parents: dict[str, Parent]) -> dict[int, list[Claim]]:
    """Return the configs that record partitions of each table, in one query of our tables."""
    tables = {each.oid: each.partitions for each in parents.values()}
    return claims_on(tables, targets[0].alias)
