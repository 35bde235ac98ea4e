"""Actions as steps: which statements, in which transactions, under which locks. Pure.

The executor runs these; a dry run prints them. Each step is one transaction, or one statement
that cannot be in one, and leaves a state from which the same action can begin again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pg_timepart.partitions.bounds import BoundLiterals
from pg_timepart.partitions.names import free_name
from pg_timepart.partitions.tables import (
    Leaf,
    Parent,
    Partition,
    PartitionComment,
    Relation,
    RowSecurity,
    Template,
)
from pg_timepart.postgres import ddl
from pg_timepart.postgres.check_constraints import BOUNDS_CHECK, EXCLUSION_CHECK
from pg_timepart.postgres.ddl import Lock, Statement, quoted
from pg_timepart.postgres.steps import Step
from pg_timepart.postgres.table_comments import comment_text

ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE"
SHARE = "SHARE"
SHARE_ROW_EXCLUSIVE = "SHARE ROW EXCLUSIVE"
SHARE_UPDATE_EXCLUSIVE = "SHARE UPDATE EXCLUSIVE"

SMALL_DEFAULT_PAGES = 256
"""2 MB: a default partition up to this size is scanned within the lock budget."""


def create_steps(
    parent: Parent,
    template: Template,
    leaf: Relation,
    sides: BoundLiterals,
    comment: PartitionComment,
    tablespace: str,
) -> Iterator[Step]:
    """Yield how to make a new partition; all that counts is in the last step's transaction."""
    excluding = _excluding_check(parent, template, sides)
    yield from _exclusion_steps(parent, template, sides, excluding)
    finish = [ddl.attach(parent, leaf, sides.lower, sides.upper)]
    if template.replica_identity == "i":
        finish.append(ddl.follow_replica_index(parent, leaf))
    if parent.default and excluding:
        finish.append(ddl.drop_constraint(parent.default, excluding))
    yield Step(
        summary=f"create {leaf.name} and attach it",
        setup=tuple(_new_leaf(parent, template, leaf, comment, tablespace)),
        locks=(*attach_locks(parent, template.referenced, SHARE_ROW_EXCLUSIVE),),
        altered=_default_of(parent),
        statements=tuple(finish),
        tablespace=tablespace,
    )


def finish_leaf_steps(
    parent: Parent, template: Template, leaf: Relation, sides: BoundLiterals
) -> Iterator[Step]:
    """Yield how to attach a table that we made and did not attach; it is empty."""
    copied = [ddl.drop_exclusions(leaf)] if template.has_exclusions else []
    yield Step(
        summary=f"attach {leaf.name}, which was made before",
        locks=attach_locks(parent, template.referenced, ACCESS_EXCLUSIVE, leaf),
        altered=(*_default_of(parent), leaf),
        statements=(*copied, ddl.attach(parent, leaf, sides.lower, sides.upper)),
    )


def detach_steps(parent: Parent, template: Template, leaf: Partition, *, plain: bool) -> Step:
    """Return how to detach: concurrently unless ``plain`` or there is a default partition."""
    if plain or parent.default is not None:
        return Step(
            summary=f"detach {leaf.name} in a transaction",
            locks=(
                *_locked(template.referenced, SHARE_ROW_EXCLUSIVE),
                *_locked([parent, *_default_of(parent), leaf], ACCESS_EXCLUSIVE),
            ),
            statements=(ddl.detach(parent, leaf),),
        )
    return Step(
        summary=f"detach {leaf.name} concurrently",
        statements=(ddl.detach_concurrently(parent, leaf),),
        is_alone=True,
    )


def finalize_step(parent: Parent, template: Template, leaf: Partition) -> Step:
    """Return how to end a pending detach. The leaf comes first: nobody waits for it any more.

    FINALIZE waits for every older snapshot and only then locks the targets of foreign keys. Were
    they locked before, their writers would queue all that time, and it would wait for the
    snapshots of those very writers.
    """
    return Step(
        summary=f"finalize the pending detach of {leaf.name}",
        locks=(
            *_locked([leaf], ACCESS_EXCLUSIVE),
            *_locked([parent], SHARE_UPDATE_EXCLUSIVE),
        ),
        watched=tuple(_locked(template.referenced, SHARE_ROW_EXCLUSIVE)),
        awaits_snapshots=True,
        statements=(ddl.finalize(parent, leaf),),
    )


def attach_steps(
    parent: Parent, template: Template, leaf: Leaf, sides: BoundLiterals, tablespace: str
) -> Iterator[Step]:
    """Yield how to attach a detached table: all slow work first, under locks that stop nobody."""
    table = leaf.relation
    for definition in leaf.missing:
        yield unhurried(
            table,
            f"build on {table.name} what {parent.name} has",
            ddl.add_missing(table, definition),
            # An index alone lets others read meanwhile, as a foreign key of the table does where
            # rows of its target are deleted.
            mode=ACCESS_EXCLUSIVE if definition.startswith("ADD ") else SHARE,
            tablespace=tablespace,
        )
    yield from _foreign_key_steps(leaf)
    yield from _bounds_check_steps(parent, leaf, sides)
    guarding = tuple(_row_security(template, table, leaf.row_security))
    if guarding:
        # Row security is not what ATTACH looks at, and rows can be read by the leaf's own name.
        yield unhurried(table, f"give {table.name} the row security of {parent.name}", *guarding)
    excluding = _excluding_check(parent, template, sides)
    yield from _exclusion_steps(parent, template, sides, excluding)
    checks = [check.name for check in leaf.bounds_checks] or [_new_bounds_check(leaf)]
    referenced = _targets(
        [
            *(target for _, target in leaf.foreign_keys),
            *(each.target for each in leaf.missing_foreign_keys),
        ]
    )
    finish = [
        *(ddl.drop_constraint(table, name) for name in leaf.exclusions),
        ddl.attach(parent, table, sides.lower, sides.upper),
        *(ddl.drop_constraint(table, name) for name in checks),
    ]
    if template.replica_identity == "i":
        finish.append(ddl.follow_replica_index(parent, table))
    if parent.default and excluding:
        finish.append(ddl.drop_constraint(parent.default, excluding))
    yield Step(
        summary=f"attach {table.name}",
        # A foreign key that the leaf brings along makes ATTACH take ACCESS EXCLUSIVE on its target.
        locks=attach_locks(parent, referenced, ACCESS_EXCLUSIVE, table),
        altered=(*_default_of(parent), table),
        statements=tuple(finish),
        off=table,
        tablespace=tablespace if template.has_exclusions else None,
        refusal=_too_slow(parent, leaf, sides) if template.has_exclusions else "",
    )


def _too_slow(parent: Parent, leaf: Leaf, sides: BoundLiterals) -> str:
    """Return that ATTACH builds exclusion constraints for too long, and how to have it done."""
    drops = "".join(f", DROP CONSTRAINT {quoted(name)}" for name in leaf.exclusions)
    table = quoted(leaf.relation.schema, leaf.relation.name)
    whole = quoted(parent.schema, parent.name)
    lower, upper = (f"'{side}'" if side else None for side in (sides.lower, sides.upper))
    dropping = f"ALTER TABLE {table} {drops.removeprefix(', ')}; " if drops else ""
    return (
        f"{parent.name} has an exclusion constraint, which ATTACH builds anew for the rows of"
        f" {leaf.relation.name} under its locks, and that takes longer than LOCK_BUDGET_MS. Attach"
        " it by hand, in one transaction, when nobody minds to wait, and run timepart reconcile:"
        f" {dropping}ALTER TABLE {whole} ATTACH PARTITION {table} FOR VALUES FROM"
        f" ({lower or 'MINVALUE'}) TO ({upper or 'MAXVALUE'})."
    )


def move_steps(leaf: Partition, tablespace: str) -> Iterator[Step]:
    """Yield how to move a table with its indexes: at leisure once detached, else within budget."""
    statements = [ddl.set_index_tablespaces(leaf, tablespace)]
    if leaf.tablespace != tablespace:
        statements.insert(0, ddl.set_tablespace(leaf, tablespace))
    yield Step(
        summary=f"move {leaf.name} to {tablespace}",
        locks=tuple(_locked([leaf], ACCESS_EXCLUSIVE)),
        altered=(leaf,),
        statements=tuple(statements),
        is_unhurried=not leaf.is_attached,
        off=None if leaf.is_attached else leaf,
        same=leaf if leaf.is_attached else None,
    )


def unlink_steps(leaf: Relation, foreign_keys: Sequence[tuple[str, Relation]]) -> Iterator[Step]:
    """Yield how to drop the foreign keys of a detached table, each of which locks its target."""
    for name, target in foreign_keys:
        yield Step(
            summary=f"drop the foreign key {name} of {leaf.name}",
            locks=tuple(_locked([target, leaf], ACCESS_EXCLUSIVE)),
            altered=(target, leaf),
            statements=(ddl.drop_constraint(leaf, name),),
            off=leaf,
        )


def drop_steps(leaf: Relation, foreign_keys: Sequence[tuple[str, Relation]]) -> Iterator[Step]:
    """Yield how to drop a detached table, without its foreign keys, whose targets need a lock."""
    yield from unlink_steps(leaf, foreign_keys)
    yield unhurried(leaf, f"drop {leaf.name}", ddl.drop_table(leaf))


def truncate_steps(leaf: Relation) -> Iterator[Step]:
    """Yield how to empty one partition."""
    yield Step(
        summary=f"truncate {leaf.name}",
        locks=tuple(_locked([leaf], ACCESS_EXCLUSIVE)),
        altered=(leaf,),
        statements=(ddl.truncate(leaf),),
        same=leaf,
    )


def attach_locks(
    parent: Parent, referenced: Sequence[Relation], mode: str, *leaves: Relation
) -> tuple[Lock, ...]:
    """Return what ATTACH takes, in the one order that every step of ours keeps to."""
    return (
        *_locked(referenced, mode),
        *_locked([parent], SHARE_UPDATE_EXCLUSIVE),
        *_locked([*_default_of(parent), *leaves], ACCESS_EXCLUSIVE),
    )


def _new_leaf(
    parent: Parent, template: Template, leaf: Relation, comment: PartitionComment, tablespace: str
) -> Iterator[Statement]:
    yield ddl.create_leaf(parent, leaf, tablespace=tablespace, storage=template.storage)
    yield ddl.comment_on(leaf, comment_text(comment))
    if template.has_exclusions:
        yield ddl.drop_exclusions(leaf)
    if template.has_stray_indexes:
        yield ddl.set_index_tablespaces(leaf, tablespace)
    if template.replica_identity in "fn":
        yield ddl.set_replica_identity(leaf, template.replica_identity)
    yield from _row_security(template, leaf, RowSecurity())
    for given in template.grants:
        yield ddl.grant(leaf, given)
    if not template.is_owned_by_us:
        yield ddl.set_owner(leaf, template.owner)


def _row_security(template: Template, leaf: Relation, there: RowSecurity) -> Iterator[Statement]:
    if template.has_row_security and not there.is_enabled:
        yield ddl.enable_row_security(leaf)
    if template.forces_row_security and not there.is_forced:
        yield ddl.force_row_security(leaf)
    for policy in template.policies:
        if policy.name not in there.policies:
            yield ddl.create_policy(leaf, policy)


def _excluding_check(parent: Parent, template: Template, sides: BoundLiterals) -> str | None:
    """Name the CHECK that a big default partition needs first, or None where it needs none."""
    if parent.default is None or template.default_pages <= SMALL_DEFAULT_PAGES:
        return None
    if sides.lower is None or sides.upper is None:
        return None
    return free_name(EXCLUSION_CHECK, template.others_checks, template.others_checks)


def _exclusion_steps(
    parent: Parent, template: Template, sides: BoundLiterals, excluding: str | None
) -> Iterator[Step]:
    default = parent.default
    if default is None:
        return
    prepared = [ddl.drop_constraint(default, name) for name in template.default_checks]
    if excluding and parent.key and parent.key_type and sides.lower and sides.upper:
        prepared.append(
            ddl.add_exclusion_check(
                default, excluding, parent.key, sides.lower, sides.upper, parent.key_type
            )
        )
    if prepared:
        yield Step(
            summary=f"let {default.name} promise to hold nothing of the range",
            locks=tuple(_locked([default], ACCESS_EXCLUSIVE)),
            altered=(default,),
            statements=tuple(prepared),
        )
    if excluding:
        yield unhurried(
            default,
            f"see that {default.name} keeps the promise",
            ddl.validate_constraint(default, excluding),
            mode=SHARE_UPDATE_EXCLUSIVE,
        )


def _foreign_key_steps(leaf: Leaf) -> Iterator[Step]:
    table = leaf.relation
    added: list[str] = []
    taken = set(leaf.constraints)
    for each in leaf.missing_foreign_keys:
        name = free_name(each.name, taken, taken)
        taken.add(name)
        if each.is_validated:
            added.append(name)
        yield Step(
            summary=f"add to {table.name} a foreign key that its parent has",
            locks=(
                *_locked([each.target], SHARE_ROW_EXCLUSIVE),
                *_locked([table], SHARE_ROW_EXCLUSIVE),
            ),
            altered=(table,),
            statements=(ddl.add_foreign_key(table, name, each.definition),),
        )
    for name in (*leaf.unvalidated, *added):
        yield unhurried(
            table,
            f"check the rows of {table.name} against {name}",
            ddl.validate_constraint(table, name),
            mode=SHARE_UPDATE_EXCLUSIVE,
        )


def _bounds_check_steps(parent: Parent, leaf: Leaf, sides: BoundLiterals) -> Iterator[Step]:
    table = leaf.relation
    if any(check.is_validated for check in leaf.bounds_checks):
        return
    name = next((check.name for check in leaf.bounds_checks), _new_bounds_check(leaf))
    if not leaf.bounds_checks and parent.key and parent.key_type:
        check = ddl.add_bounds_check(
            table, name, parent.key, sides.lower, sides.upper, parent.key_type
        )
        yield Step(
            summary=f"add a CHECK of the bounds to {table.name}",
            locks=tuple(_locked([table], ACCESS_EXCLUSIVE)),
            altered=(table,),
            statements=(check,),
            off=table,
        )
    yield unhurried(
        table,
        f"check the rows of {table.name} against the bounds",
        ddl.validate_constraint(table, name),
        mode=SHARE_UPDATE_EXCLUSIVE,
    )


def _new_bounds_check(leaf: Leaf) -> str:
    return free_name(BOUNDS_CHECK, leaf.constraints, leaf.constraints)


def unhurried(
    table: Relation,
    summary: str,
    *statements: Statement,
    mode: str = ACCESS_EXCLUSIVE,
    tablespace: str | None = None,
) -> Step:
    """Return a step that may take long, since it locks a table that no application uses."""
    return Step(
        summary=summary,
        locks=tuple(_locked([table], mode)),
        altered=(table,),
        statements=statements,
        is_unhurried=True,
        off=None if mode == SHARE_UPDATE_EXCLUSIVE else table,
        tablespace=tablespace,
    )


def _default_of(parent: Parent) -> tuple[Relation, ...]:
    return (parent.default,) if parent.default is not None else ()


def _locked(relations: Sequence[Relation], mode: str) -> Iterator[Lock]:
    return (Lock(relation=each, mode=mode) for each in relations)


def _targets(referenced: Sequence[Relation]) -> tuple[Relation, ...]:
    unique = {each.oid: each for each in referenced}
    return tuple(unique[oid] for oid in sorted(unique))
