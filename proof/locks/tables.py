"""Tables that take other locks: with a foreign key or a default partition, and without."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db import connection

from tests.apps.depot.models import Pallet, Weighing
from tests.apps.plant.models import Machine, Measurement, Reading
from tests.support.key_values import key_values_of
from tests.support.processes import wait_until
from tests.support.table_setup import NOW, OLD, a_machine, old_partition, prepare


def _id_at(moment: dt.datetime, number: int = 0) -> str:
    return str(key_values_of(Pallet).at(moment, number))


TODAY = f"at >= '{NOW:%Y-%m-%d}+00' AND at < '{NOW + dt.timedelta(days=1):%Y-%m-%d}+00'"
NOON, MIDNIGHT = (_id_at(NOW + dt.timedelta(hours=hours)) for hours in (0, 12))
TODAY_BY_ID = f"id >= '{NOON}' AND id < '{MIDNIGHT}'"

A_NEW_ID = f"('{NOON[:15]}' || substr(gen_random_uuid()::text, 16))::uuid"
"""An id of this millisecond."""

BIG_ROWS = 1_500_000
"""More than can be scanned within 50 ms."""

# It outlives the tables around it: what is made anew for each cell is the rest of the table.
BIG_REST = """
CREATE TABLE {rest} (LIKE {table} INCLUDING ALL EXCLUDING IDENTITY) WITH (autovacuum_enabled = off);
INSERT INTO {rest} SELECT n, '1999-01-01'::timestamptz, n{machine}
FROM generate_series(1, {rows}) n
"""

OIDS = """
SELECT c.oid::bigint, c.relname FROM pg_class c
WHERE c.relkind IN ('r', 'p') AND (starts_with(c.relname, %s) OR c.relname = ANY(%s))
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

    @property
    def is_referred(self) -> bool:
        """Whether another table has a foreign key that refers to it."""
        return self.model is Pallet

    @property
    def today(self) -> str:
        """The condition by which the rows of today are found, without the other partitions."""
        return TODAY_BY_ID if self.is_referred else TODAY

    def insert(self, value: int, *, number: int = 0) -> str:
        """Return the INSERT of a row of today; ``number``, where given, tells its id."""
        now = f"'{NOW:%Y-%m-%d %H:%M}+00'"
        if self.is_referred:
            new = f"'{_id_at(NOW, number)}'" if number else A_NEW_ID
            return f"INSERT INTO {self.name} (id, value) VALUES ({new}, {value})"
        more, machine = (", machine_id", f", {a_machine().pk}") if self.refers else ("", "")
        return f"INSERT INTO {self.name} (at, value{more}) VALUES ({now}, {value}{machine})"

    def prepare(self) -> None:
        """Make it anew: room ahead, an old partition, and rows for the application to use."""
        self._set_aside()
        prepare(self.model, keep_foreign_keys=True)
        for value in (7, 8):
            execute(self.insert(value, number=value))
        machine = f", {a_machine().pk}" if self.refers else ""
        if self.is_referred:
            execute(insert_weighing())
        if self.rest == "small":
            execute(f"CREATE TABLE {self.name}_rest PARTITION OF {self.name} DEFAULT")
        elif self.rest:
            if not exists(self._big):
                self._fill_big(machine)
            execute(f"ALTER TABLE {self.name} ATTACH PARTITION {self._big} DEFAULT")

    def _fill_big(self, machine: str) -> None:
        execute(BIG_REST.format(rest=self._big, table=self.name, machine=machine, rows=BIG_ROWS))
        # A session tells of its rows once it is done with a statement, and not all the time.
        wait_until(lambda: _rows_told_of(self._big))

    def drop_big(self) -> None:
        """Drop the big default partition, if there is one."""
        self._set_aside()
        execute(f"DROP TABLE IF EXISTS {self._big}")

    @property
    def _big(self) -> str:
        return f"big_rest_of_{self.name}"

    def _set_aside(self) -> None:
        if exists(self._big, " AND relispartition"):
            execute(f"ALTER TABLE {self.name} DETACH PARTITION {self._big}")

    def leaf(self) -> str:
        """Return the name of the old partition."""
        return old_partition(self.model).table_name

    def roles(self) -> dict[int, str]:
        """Return what each table here is, by its OID."""
        with connection.cursor() as cursor:
            others = [Machine._meta.db_table, Weighing._meta.db_table, self._big]
            cursor.execute(OIDS, [self.name, others])
            return {oid: self._role(name) for oid, name in cursor.fetchall()}

    def _role(self, name: str) -> str:
        known = {
            self.name: "the table",
            f"{self.name}_rest": "the default partition",
            self._big: "the default partition",
            Machine._meta.db_table: "the referenced table",
            Weighing._meta.db_table: "the referring table",
            f"{self.name}_{OLD:%Y%m%d}_20240306": "the partition",
        }
        return known.get(name, "another partition")


PLAIN = Table(title="no foreign key", model=Reading)
REFERRING = Table(title="a foreign key", model=Measurement)
WITH_REST = Table(title="a default partition", model=Reading, rest="small")
REFERRING_WITH_REST = Table(
    title="a foreign key and a default partition", model=Measurement, rest="small"
)
REFERRED = Table(title="referred to by a table", model=Pallet)
REFERRED_WITH_REST = Table(
    title="referred to by a table, a default partition", model=Pallet, rest="small"
)
WITH_BIG_REST = Table(title="a big default partition", model=Reading, rest="big")
REFERRING_WITH_BIG_REST = Table(
    title="a foreign key and a big default partition", model=Measurement, rest="big"
)


def insert_weighing() -> str:
    """Return the INSERT of a row that refers to one of today."""
    table = Weighing._meta.db_table
    return f"INSERT INTO {table} (pallet_id, grams) VALUES ('{_id_at(NOW, 7)}', 5)"


def exists(name: str, more: str = "") -> bool:
    """Return whether there is a table of this name."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT FROM pg_class WHERE relkind = 'r' AND relname = %s{more}", [name])
        return cursor.fetchone() is not None


def _rows_told_of(name: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_get_live_tuples(%s::regclass)", [name])
        return int(cursor.fetchone()[0])


def execute(statement: str) -> None:
    """Execute one statement."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
