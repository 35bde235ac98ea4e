"""Steps that create a partition, or attach one that an interrupted run created. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pg_timepart.partitions.bounds import BoundLiterals
from pg_timepart.partitions.table_details import RowSecurity, Template
from pg_timepart.partitions.tables import Parent, PartitionComment, Relation
from pg_timepart.postgres import ddl, ddl_constraints
from pg_timepart.postgres.ddl import Statement
from pg_timepart.postgres.exclusion_steps import exclusion_check, exclusion_steps
from pg_timepart.postgres.steps import (
    ACCESS_EXCLUSIVE,
    SHARE_ROW_EXCLUSIVE,
    Step,
    attach_locks,
    default_of,
    locked,
    not_lockable,
)
from pg_timepart.postgres.table_comments import comment_text


def create_steps(
    parent: Parent,
    template: Template,
    leaf: Relation,
    sides: BoundLiterals,
    comment: PartitionComment,
    tablespace: str,
) -> Iterator[Step]:
    """Yield the steps that create a partition; all lasting changes are in the last transaction."""
    excluding = exclusion_check(parent, template, sides)
    yield from exclusion_steps(parent, template, sides, excluding)
    finish = [ddl.attach(parent, leaf, sides.lower, sides.upper)]
    if template.replica_identity == "i":
        finish.append(ddl.follow_replica_index(parent, leaf))
    if parent.default and excluding:
        finish.append(ddl_constraints.drop_constraint(parent.default, excluding))
    yield Step(
        summary=f"create {leaf.name} and attach it",
        setup=tuple(_new_leaf(parent, template, leaf, comment, tablespace)),
        locks=attach_locks(
            parent, locked(template.referenced, SHARE_ROW_EXCLUSIVE), template.referring
        ),
        implicit_locks=locked(not_lockable(template.referring), SHARE_ROW_EXCLUSIVE),
        altered=default_of(parent),
        statements=tuple(finish),
        tablespace=tablespace,
    )


def finish_leaf_steps(
    parent: Parent, template: Template, leaf: Relation, sides: BoundLiterals
) -> Iterator[Step]:
    """Yield the steps that attach an empty table that an interrupted run created."""
    copied = [ddl_constraints.drop_exclusions(leaf)] if template.has_exclusions else []
    yield Step(
        summary=f"attach {leaf.name}, which an interrupted run created",
        locks=attach_locks(
            parent, locked(template.referenced, ACCESS_EXCLUSIVE), template.referring, leaf
        ),
        implicit_locks=locked(not_lockable(template.referring), SHARE_ROW_EXCLUSIVE),
        altered=(*default_of(parent), leaf),
        statements=(*copied, ddl.attach(parent, leaf, sides.lower, sides.upper)),
    )


def _new_leaf(
    parent: Parent, template: Template, leaf: Relation, comment: PartitionComment, tablespace: str
) -> Iterator[Statement]:
    yield ddl.create_leaf(parent, leaf, tablespace=tablespace, storage=template.storage)
    yield ddl.comment_on(leaf, comment_text(comment))
    if template.has_exclusions:
        yield ddl_constraints.drop_exclusions(leaf)
    if template.has_stray_indexes:
        yield ddl.set_index_tablespaces(leaf, tablespace)
    if template.replica_identity in "fn":
        yield ddl.set_replica_identity(leaf, template.replica_identity)
    yield from row_security(template, leaf, RowSecurity())
    for given in template.grants:
        yield ddl.grant(leaf, given)
    if not template.is_owned_by_us:
        yield ddl.set_owner(leaf, template.owner)


def row_security(template: Template, leaf: Relation, there: RowSecurity) -> Iterator[Statement]:
    if template.has_row_security and not there.is_enabled:
        yield ddl.enable_row_security(leaf)
    if template.forces_row_security and not there.is_forced:
        yield ddl.force_row_security(leaf)
    for policy in template.policies:
        if policy.name not in there.policies:
            yield ddl.create_policy(leaf, policy)
