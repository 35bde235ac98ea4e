"""Tables that take other locks: with a foreign key or a default partition, and without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection

from tests.plant.models import Machine, Measurement, Reading
from tests.plant.scenery import NOW, OLD, a_machine, prepare, the_old

TODAY = f"at >= '{NOW:%Y-%m-%d}+00' AND at < '{NOW:%Y-%m-%d}+00'::timestamptz + interval '1 day'"

FILL = """
INSERT INTO {rest} (id, at, value{more}) SELECT n, '1999-01-01'::timestamptz, n{machine}
FROM generate_series(1, 400000) n
"""
"""What no budget of these tests is long enough to scan."""

OIDS = """
SELECT c.oid::bigint, c.relname FROM pg_class c
WHERE c.relkind IN ('r', 'p') AND (starts_with(c.relname, %s) OR c.relname = %s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table and what hangs on it."""

    title: str
    model: Any
    rest: str | None = None
    """Its default partition: ``small``, ``big``, or none."""

    @property
    def name(self) -> str:
        """The name of the parent."""
        return str(self.model._meta.db_table)

    @property
    def refers(self) -> bool:
        """Whether it has a foreign key."""
        return self.model is Measurement

    def prepare(self) -> None:
        """Make it anew: room ahead, an old partition, and rows for the application to use."""
        prepare(self.model)
        more, machine = (", machine_id", f", {a_machine().pk}") if self.refers else ("", "")
        for value in (7, 8):
            execute(
                f"INSERT INTO {self.name} (at, value{more})"
                f" VALUES ('{NOW:%Y-%m-%d %H:%M}+00', {value}{machine})"
            )
        if self.rest:
            rest = f"{self.name}_rest"
            execute(f"CREATE TABLE {rest} PARTITION OF {self.name} DEFAULT")
            execute(f"ALTER TABLE {rest} SET (autovacuum_enabled = off)")
            if self.rest == "big":
                execute(FILL.format(rest=rest, more=more, machine=machine))

    def leaf(self) -> str:
        """Return the name of the old partition."""
        return the_old(self.model).table_name

    def roles(self) -> dict[int, str]:
        """Return what each table here is, by its OID."""
        with connection.cursor() as cursor:
            cursor.execute(OIDS, [self.name, Machine._meta.db_table])
            return {oid: self._role(name) for oid, name in cursor.fetchall()}

    def _role(self, name: str) -> str:
        known = {
            self.name: "the table",
            f"{self.name}_rest": "the default partition",
            Machine._meta.db_table: "the referenced table",
            f"{self.name}_{OLD:%Y%m%d}_20240306": "the partition",
        }
        return known.get(name, "another partition")


PLAIN = Table(title="no foreign key", model=Reading)
REFERRING = Table(title="a foreign key", model=Measurement)
WITH_REST = Table(title="a default partition", model=Reading, rest="small")
REFERRING_WITH_REST = Table(
    title="a foreign key and a default partition", model=Measurement, rest="small"
)
WITH_BIG_REST = Table(title="a big default partition", model=Reading, rest="big")
REFERRING_WITH_BIG_REST = Table(
    title="a foreign key and a big default partition", model=Measurement, rest="big"
)


def execute(statement: str) -> None:
    """Execute one statement."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
