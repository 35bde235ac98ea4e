"""Empty one partition: TRUNCATE."""

from __future__ import annotations

from collections.abc import Iterator

from pg_timepart.errors import Refused
from pg_timepart.maintenance.actions.base import Handler
from pg_timepart.partitions.addresses import qualified
from pg_timepart.postgres import ddl
from pg_timepart.postgres.steps import ACCESS_EXCLUSIVE, Step, locked


class Truncate(Handler):
    """Handler of ``truncate``."""

    verb = "truncate"
    past = "emptied"

    def check(self) -> None:
        """Raise Refused where foreign keys refer to the table: the server never empties it then."""
        Handler.check(self)
        leaf, referring = self.work.partition(self.action), self.work.template().referring
        if leaf.is_attached and referring:
            tables = ", ".join(map(qualified, referring))
            raise Refused(
                f"{leaf.name} cannot be emptied: PostgreSQL refuses TRUNCATE where foreign keys"
                f" refer to the table, as those of {tables} do, whether or not a row refers to it."
                " DELETE its rows, or detach it."
            )

    def steps(self) -> Iterator[Step]:
        """Yield one step."""
        leaf = self.work.partition(self.action)
        yield Step(
            summary=f"truncate {leaf.name}",
            locks=locked([leaf], ACCESS_EXCLUSIVE),
            altered=(leaf,),
            statements=(ddl.truncate(leaf),),
            unrenamed=leaf,
        )
