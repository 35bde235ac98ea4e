"""Steps that attach a detached table, all slow work first. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pg_timepart.partitions.bounds import BoundLiterals
from pg_timepart.partitions.names import free_name
from pg_timepart.partitions.table_details import Leaf, Template
from pg_timepart.partitions.tables import Parent, Relation
from pg_timepart.postgres import ddl, ddl_constraints
from pg_timepart.postgres.check_constraints import BOUNDS_CHECK
from pg_timepart.postgres.create_steps import row_security
from pg_timepart.postgres.ddl import quoted
from pg_timepart.postgres.exclusion_steps import exclusion_check, exclusion_steps
from pg_timepart.postgres.steps import (
    ACCESS_EXCLUSIVE,
    SHARE,
    SHARE_ROW_EXCLUSIVE,
    SHARE_UPDATE_EXCLUSIVE,
    Step,
    attach_locks,
    default_of,
    locked,
    not_lockable,
    unhurried,
)


def attach_steps(
    parent: Parent, template: Template, leaf: Leaf, sides: BoundLiterals, tablespace: str
) -> Iterator[Step]:
    """Yield the steps of an attach: all slow work first, under locks that block no query."""
    table = leaf.relation
    for definition in leaf.missing:
        yield unhurried(
            table,
            f"build an index or constraint of {parent.name} on {table.name}",
            ddl_constraints.add_missing(table, definition),
            # An index alone lets others read meanwhile, as a foreign key of the table does where
            # rows of its target are deleted.
            mode=ACCESS_EXCLUSIVE if definition.startswith("ADD ") else SHARE,
            tablespace=tablespace,
        )
    yield from _foreign_key_steps(leaf)
    yield from _bounds_check_steps(parent, leaf, sides)
    guarding = tuple(row_security(template, table, leaf.row_security))
    if guarding:
        # ATTACH ignores row security, and rows can be read by the leaf's own name.
        yield unhurried(
            table, f"enable the row security of {parent.name} on {table.name}", *guarding
        )
    excluding = exclusion_check(parent, template, sides)
    yield from exclusion_steps(parent, template, sides, excluding)
    checks = [check.name for check in leaf.bounds_checks] or [_new_bounds_check(leaf)]
    referenced = _targets(
        [
            *(target for _, target in leaf.foreign_keys),
            *(each.target for each in leaf.missing_foreign_keys),
        ]
    )
    finish = [
        *(ddl_constraints.drop_constraint(table, name) for name in leaf.exclusions),
        ddl.attach(parent, table, sides.lower, sides.upper),
        *(ddl_constraints.drop_constraint(table, name) for name in checks),
    ]
    if template.replica_identity == "i":
        finish.append(ddl.follow_replica_index(parent, table))
    if parent.default and excluding:
        finish.append(ddl_constraints.drop_constraint(parent.default, excluding))
    yield Step(
        summary=f"attach {table.name}",
        # A foreign key that the leaf brings along makes ATTACH take ACCESS EXCLUSIVE on its target.
        locks=attach_locks(parent, locked(referenced, ACCESS_EXCLUSIVE), template.referring, table),
        implicit_locks=locked(not_lockable(template.referring), SHARE_ROW_EXCLUSIVE),
        altered=(*default_of(parent), table),
        statements=tuple(finish),
        unattached=table,
        tablespace=tablespace if template.has_exclusions else None,
        refusal=_too_slow(parent, leaf, sides) if template.has_exclusions else "",
    )


def _too_slow(parent: Parent, leaf: Leaf, sides: BoundLiterals) -> str:
    """Return the sentence that ATTACH builds exclusion constraints for too long, and what to do."""
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


def _foreign_key_steps(leaf: Leaf) -> Iterator[Step]:
    table = leaf.relation
    added: list[str] = []
    taken = set(leaf.constraints)
    for each in leaf.missing_foreign_keys:
        name = free_name(each.name, taken)
        taken.add(name)
        if each.is_validated:
            added.append(name)
        yield Step(
            summary=f"add a foreign key of the parent on {table.name}",
            locks=(
                *locked([each.target], SHARE_ROW_EXCLUSIVE),
                *locked([table], SHARE_ROW_EXCLUSIVE),
            ),
            altered=(table,),
            statements=(ddl_constraints.add_foreign_key(table, name, each.definition),),
        )
    for name in (*leaf.unvalidated, *added):
        yield unhurried(
            table,
            f"validate the foreign key {name} on {table.name}",
            ddl_constraints.validate_constraint(table, name),
            mode=SHARE_UPDATE_EXCLUSIVE,
        )


def _bounds_check_steps(parent: Parent, leaf: Leaf, sides: BoundLiterals) -> Iterator[Step]:
    table = leaf.relation
    if any(check.is_validated for check in leaf.bounds_checks):
        return
    name = next((check.name for check in leaf.bounds_checks), _new_bounds_check(leaf))
    if not leaf.bounds_checks and parent.key and parent.key_type:
        check = ddl_constraints.add_bounds_check(
            table, name, parent.key, sides.lower, sides.upper, parent.key_type
        )
        yield Step(
            summary=f"add the CHECK of the bounds on {table.name}",
            locks=locked([table], ACCESS_EXCLUSIVE),
            altered=(table,),
            statements=(check,),
            unattached=table,
        )
    yield unhurried(
        table,
        f"validate the CHECK of the bounds on {table.name}",
        ddl_constraints.validate_constraint(table, name),
        mode=SHARE_UPDATE_EXCLUSIVE,
    )


def _new_bounds_check(leaf: Leaf) -> str:
    return free_name(BOUNDS_CHECK, leaf.constraints)


def _targets(referenced: Sequence[Relation]) -> tuple[Relation, ...]:
    unique = {each.oid: each for each in referenced}
    return tuple(unique[oid] for oid in sorted(unique))
