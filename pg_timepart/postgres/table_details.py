"""Details of one table (grants, policies, constraints, ...), read only when an action needs them.

A pass that finds nothing to do needs none of them, so ``catalog`` reads none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from django.db.backends.base.base import BaseDatabaseWrapper

from pg_timepart.errors import Conflict
from pg_timepart.partitions.bounds import BoundLiterals
from pg_timepart.partitions.table_details import (
    ForeignKey,
    Grant,
    Leaf,
    LeafCheck,
    Referring,
    RowPolicy,
    RowSecurity,
    Template,
)
from pg_timepart.partitions.tables import Parent, Partition, Relation
from pg_timepart.postgres.check_constraints import EXCLUSION_PATTERN, bounds_in
from pg_timepart.postgres.search_path import fetch_all, fetch_one
from pg_timepart.postgres.table_detail_queries import (
    DEFINITIONS,
    FOREIGN_KEYS,
    LEAF,
    POLICIES,
    TEMPLATE,
    VALIDATED_CHECKS,
)

R = TypeVar("R", bound=Relation)


def read_template(
    connection: BaseDatabaseWrapper, parent: Parent, newest: Partition | None = None
) -> Template:
    """Return what a new partition of ``parent`` must get beside what LIKE copies.

    Storage parameters come from ``newest``, a partition, because a parent cannot have any. Raises
    Conflict where the table was dropped since it was read.
    """
    default = parent.default
    found = _one_json(
        connection,
        TEMPLATE,
        {
            "parent": parent.oid,
            "newest": newest.oid if newest else 0,
            "default": default.oid if default else 0,
            "excluding": EXCLUSION_PATTERN,
            "key": parent.key,
        },
    )
    if found is None:
        raise Conflict(f"{parent.name} does not exist any more.")
    return Template(
        owner=found["owner"],
        is_owned_by_us=found["is_owned_by_us"],
        referenced=_in_lock_order(Relation(**each) for each in found["referenced"] or ()),
        referring=_in_lock_order(Referring(**each) for each in found["referring"] or ()),
        grants=tuple(Grant(**each) for each in found["grants"] or ()),
        has_row_security=found["has_row_security"],
        forces_row_security=found["forces_row_security"],
        policies=_read_policies(connection, parent) if found["has_policies"] else (),
        replica_identity=found["replica_identity"],
        storage=tuple(_option(each) for each in found["storage"] or ()),
        has_stray_indexes=found["has_stray_indexes"],
        has_exclusions=found["has_exclusions"],
        default_pages=found["default_pages"],
        default_checks=tuple(found["default_checks"] or ()),
        others_checks=tuple(found["others_checks"] or ()),
    )


def read_leaf(
    connection: BaseDatabaseWrapper, parent: Parent, leaf: Relation, sides: BoundLiterals
) -> Leaf:
    """Return how the detached ``leaf`` differs from what ``parent`` demands of a partition.

    ``sides`` are the literals of the bounds to attach it with.
    """
    key_type = parent.key_type
    if key_type is None:
        raise ValueError(f"{parent.name} is not partitioned by range")
    found = _one_json(
        connection,
        LEAF.replace("{type}", key_type),
        {
            "parent": parent.oid,
            "leaf": leaf.oid,
            "key": parent.key,
            "lower": sides.lower,
            "upper": sides.upper,
            "type": key_type,
        },
    )
    return Leaf(
        relation=leaf,
        bounds_checks=tuple(LeafCheck(**each) for each in found["checks"] or ()),
        constraints=frozenset(found["constraints"] or ()),
        foreign_keys=_with_targets(found["foreign_keys"]),
        unvalidated=tuple(found["unvalidated"] or ()),
        missing=_definitions(connection, found["missing"] or ()),
        exclusions=tuple(found["exclusions"] or ()),
        missing_foreign_keys=tuple(
            ForeignKey(**{**each, "target": Relation(**each["target"])})
            for each in found["missing_foreign_keys"] or ()
        ),
        row_security=RowSecurity(
            **found["row_security"] or {}, policies=frozenset(found["policies"] or ())
        ),
    )


def read_checked_bounds(
    connection: BaseDatabaseWrapper, parent: Parent, leaf: Relation
) -> list[BoundLiterals]:
    """Return the bounds in each validated CHECK on a leaf that is of the form of a bounds CHECK."""
    found = fetch_all(connection, VALIDATED_CHECKS, {"leaf": leaf.oid, "key": parent.key})
    bounds = (bounds_in(definition, key) for definition, key in found)
    return [each for each in bounds if each is not None]


def read_foreign_keys(
    connection: BaseDatabaseWrapper, leaf: Relation
) -> tuple[tuple[str, Relation], ...]:
    """Return name and referenced table of each foreign key that a detached table still has."""
    return _with_targets(_one_json(connection, FOREIGN_KEYS, {"leaf": leaf.oid}))


def _read_policies(connection: BaseDatabaseWrapper, parent: Relation) -> tuple[RowPolicy, ...]:
    with connection.cursor() as cursor:
        cursor.execute(POLICIES, [parent.schema, parent.name])
        return tuple(
            RowPolicy(
                name=name,
                permissive=permissive,
                roles=tuple(roles),
                command=command,
                using=using,
                check=check,
            )
            for name, permissive, roles, command, using, check in cursor.fetchall()
        )


def _definitions(
    connection: BaseDatabaseWrapper, missing: Sequence[dict[str, Any]]
) -> tuple[str, ...]:
    """Return each index or key as ``Leaf.missing`` has it."""
    if not missing:
        return ()
    with connection.cursor() as cursor:
        oids = ([each[kind] for each in missing] for kind in ("constraint", "index"))
        cursor.execute(DEFINITIONS, [*oids])
        found = cursor.fetchall()
    return tuple(
        f"ADD {constraint}"
        if constraint
        else ("UNIQUE " if each["is_unique"] else "") + index[each["named_by"] :]
        for each, (constraint, index) in zip(missing, found, strict=True)
    )


def _one_json(connection: BaseDatabaseWrapper, query: str, values: dict[str, Any]) -> Any:
    row = fetch_one(connection, query, values)
    return None if row is None or row[0] is None else json.loads(row[0])


def _in_lock_order(found: Iterable[R]) -> tuple[R, ...]:
    return tuple(sorted(found, key=lambda each: each.oid))


def _with_targets(found: list[list[Any]] | None) -> tuple[tuple[str, Relation], ...]:
    return tuple((text, Relation(**target)) for text, target in found or ())


def _option(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value
