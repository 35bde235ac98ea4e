"""Drop the foreign keys of a detached table, so that rows that it refers to can be deleted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pg_timepart.errors import Conflict
from pg_timepart.maintenance.actions.base import Handler
from pg_timepart.partitions.tables import Relation
from pg_timepart.postgres import ddl_constraints
from pg_timepart.postgres.steps import ACCESS_EXCLUSIVE, Step, locked
from pg_timepart.postgres.table_details import read_foreign_keys


class Unlink(Handler):
    """Handler of ``unlink``."""

    verb = "drop the foreign keys of"
    past = "dropped the foreign keys of"
    stops_what_follows = False

    def check(self) -> None:
        """Raise Refused where the table is not ours, and Conflict where it is attached."""
        leaf = self.work.own_partition(self.action)
        if leaf.is_attached:
            raise Conflict(f"{leaf.name} is attached by now, and keeps its foreign keys.")

    def steps(self) -> Iterator[Step]:
        """Yield a step for each foreign key that is left."""
        leaf = self.work.partition(self.action)
        yield from unlink_steps(leaf, read_foreign_keys(self.work.target.connection, leaf))


def unlink_steps(leaf: Relation, foreign_keys: Sequence[tuple[str, Relation]]) -> Iterator[Step]:
    """Yield a step for each foreign key of a detached table; each locks its target."""
    for name, target in foreign_keys:
        yield Step(
            summary=f"drop the foreign key {name} of {leaf.name}",
            locks=locked([target, leaf], ACCESS_EXCLUSIVE),
            altered=(target, leaf),
            statements=(ddl_constraints.drop_constraint(leaf, name),),
            unattached=leaf,
        )
