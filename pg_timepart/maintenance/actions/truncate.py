"""Empty one partition: TRUNCATE."""

from __future__ import annotations

from collections.abc import Iterator

from pg_timepart.maintenance.actions.base import Handler
from pg_timepart.postgres import ddl
from pg_timepart.postgres.steps import ACCESS_EXCLUSIVE, Step, locked


class Truncate(Handler):
    """Handler of ``truncate``."""

    verb = "truncate"
    past = "emptied"

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
