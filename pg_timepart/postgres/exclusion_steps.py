"""Steps that add and drop exclusion CHECKs of a default partition. Pure.

ATTACH scans the default partition for rows of the new range, under ACCESS EXCLUSIVE, unless a
validated CHECK excludes them. A big default partition gets this CHECK first, validated under a lock
that blocks no query, and loses it in the transaction that attaches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pg_timepart.partitions.bounds import BoundLiterals
from pg_timepart.partitions.names import free_name
from pg_timepart.partitions.table_details import Template
from pg_timepart.partitions.tables import Parent, Relation
from pg_timepart.postgres import ddl_constraints
from pg_timepart.postgres.check_constraints import EXCLUSION_CHECK
from pg_timepart.postgres.steps import (
    ACCESS_EXCLUSIVE,
    SHARE_UPDATE_EXCLUSIVE,
    Step,
    locked,
    unhurried,
)

SMALL_DEFAULT_PAGES = 256
"""2 MB: a default partition up to this size is scanned within the lock budget."""


def exclusion_check(parent: Parent, template: Template, sides: BoundLiterals) -> str | None:
    """Return the name of the CHECK that a big default partition needs, or None if it needs none."""
    if parent.default is None or template.default_pages <= SMALL_DEFAULT_PAGES:
        return None
    if sides.lower is None or sides.upper is None:
        return None
    return free_name(EXCLUSION_CHECK, template.others_checks)


def exclusion_steps(
    parent: Parent, template: Template, sides: BoundLiterals, excluding: str | None
) -> Iterator[Step]:
    """Yield the steps that add the CHECK ``excluding``, and drop any left before."""
    default = parent.default
    if default is None:
        return
    prepared = [ddl_constraints.drop_constraint(default, name) for name in template.default_checks]
    if excluding and parent.key and parent.key_type and sides.lower and sides.upper:
        prepared.append(
            ddl_constraints.add_exclusion_check(
                default, excluding, parent.key, sides.lower, sides.upper, parent.key_type
            )
        )
    if prepared:
        yield Step(
            summary=f"add the exclusion CHECK on default partition {default.name}",
            locks=locked([default], ACCESS_EXCLUSIVE),
            altered=(default,),
            statements=tuple(prepared),
        )
    if excluding:
        yield unhurried(
            default,
            f"validate the exclusion CHECK on default partition {default.name}",
            ddl_constraints.validate_constraint(default, excluding),
            mode=SHARE_UPDATE_EXCLUSIVE,
        )


def drop_exclusion_checks(default: Relation, names: Sequence[str]) -> Step:
    """Return the step that drops these CHECKs, by which the default partition refuses rows."""
    return Step(
        summary=f"drop the exclusion CHECK on default partition {default.name}",
        locks=locked([default], ACCESS_EXCLUSIVE),
        altered=(default,),
        statements=tuple(ddl_constraints.drop_constraint(default, name) for name in names),
    )
