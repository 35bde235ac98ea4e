"""Rules of manual SQL: partitions made, attached, detached, moved and dropped by people."""

from __future__ import annotations

from django.db import IntegrityError, OperationalError, connection
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from proof.drift.base_machine import LENGTHS, PICKS, QUARTERS, BaseMachine, one_of
from proof.drift.observed_tables import Table
from proof.drift.other_locations import elsewhere
from tests.support.processes import session

COPIED = "INDEXES INCLUDING CONSTRAINTS"

# A detach leaves a CHECK of the old bounds, which must go where others are wanted.
OWN_CHECKS = """
DO $$ DECLARE each name; BEGIN
FOR each IN SELECT conname FROM pg_constraint
            WHERE conrelid = '{sql}'::regclass AND contype = 'c' AND conname NOT IN
            (SELECT conname FROM pg_constraint WHERE conrelid = '{table}'::regclass)
LOOP EXECUTE format('ALTER TABLE {sql} DROP CONSTRAINT %I', each); END LOOP; END $$
"""


class ManualSqlRules(BaseMachine):
    """Partitions made, attached, detached and dropped by hand."""

    @rule(
        pick=PICKS, quarters=QUARTERS, length=LENGTHS, side=st.sampled_from(["", "", "min", "max"])
    )
    def their_partition(self, pick: int, quarters: int, length: int, side: str) -> None:
        start = self.edge_or_moment(pick, quarters)
        lower = "MINVALUE" if side == "min" else self.bound(start)
        upper = "MAXVALUE" if side == "max" else self.bound(start, length)
        made = self.run_sql(
            f"CREATE TABLE {self.new_name()} PARTITION OF {self.table}"
            f" FOR VALUES FROM ({lower}) TO ({upper})"
        )
        if made:
            self.did(f"their partition {side}".strip())

    @rule(pick=PICKS, quarters=QUARTERS, length=LENGTHS)
    def their_sub_partitioned(self, pick: int, quarters: int, length: int) -> None:
        start, name = self.edge_or_moment(pick, quarters), self.new_name()
        made = self.run_sql(
            f"CREATE TABLE {name} PARTITION OF {self.table} FOR VALUES"
            f" FROM ({self.bound(start)}) TO ({self.bound(start, length)})"
            f" PARTITION BY RANGE ({self.key})",
            f"CREATE TABLE {name}_all PARTITION OF {name} DEFAULT",
        )
        if made:
            self.did("their sub-partitioned")

    @rule(pick=PICKS, quarters=QUARTERS, length=LENGTHS, rows=st.booleans())
    def their_attach_of_a_new_one(self, pick: int, quarters: int, length: int, rows: bool) -> None:
        start, name = self.edge_or_moment(pick, quarters), self.new_name()
        if not self.run_sql(f"CREATE TABLE {name} (LIKE {self.table} INCLUDING {COPIED})"):
            return
        if rows:
            self.insert(name, start)
        if self.attach(name, self.bound(start), self.bound(start, length)):
            self.did("their attach of a new one")

    @rule(pick=PICKS, shift=st.sampled_from([0, 0, 0, 1, -1, 4]))
    @precondition(lambda self: self.attachable)
    def their_attach(self, pick: int, shift: int) -> None:
        table = one_of(self.attachable, pick)
        bounds = self.expected.bounds.get(table.oid)
        if bounds is None or bounds.start is None or bounds.end is None:
            return
        start, end = self.bound(bounds.start, shift), self.bound(bounds.end, max(shift, 0))
        if shift:
            self.run_sql(OWN_CHECKS.format(sql=table.sql, table=self.table))
        if self.attach(table.sql, start, end):
            self.did("their attach" if not shift else "their attach with other bounds")

    @rule(pick=PICKS)
    @precondition(lambda self: self.there.firm)
    def their_detach(self, pick: int) -> None:
        table = one_of(self.there.firm, pick)
        if self.run_sql(f"ALTER TABLE {self.table} DETACH PARTITION {table.sql}"):
            self.expected.is_left(table.oid, self.now)
            self.did("their detach")

    @rule(pick=PICKS)
    @precondition(lambda self: self.there.firm and not self.there.default)
    def their_concurrent_detach(self, pick: int) -> None:
        table = one_of(self.there.firm, pick)
        if self.autocommitted(f"{self.alter(table)} CONCURRENTLY"):
            self.expected.is_left(table.oid, self.now)
            self.did("their concurrent detach")

    @rule(pick=PICKS)
    @precondition(lambda self: self.there.firm and not self.there.default)
    def their_pending_detach(self, pick: int) -> None:
        table = one_of(self.there.firm, pick)
        with session("report") as report:
            report.execute("BEGIN")
            report.execute(f"SELECT count(*) FROM {self.table}")
            self.autocommitted("SET lock_timeout = 20", f"{self.alter(table)} CONCURRENTLY")
            report.execute("COMMIT")
        self.autocommitted("RESET lock_timeout")
        self.see()
        if table.oid in {each.oid for each in self.there.pending}:
            self.did("their pending detach")

    @rule()
    @precondition(lambda self: self.there.pending)
    def their_finalize(self) -> None:
        table = self.there.pending[0]
        if self.run_sql(f"{self.alter(table)} FINALIZE"):
            self.expected.is_left(table.oid, self.now)
            self.did("their finalize")

    @rule(pick=PICKS, attached=st.booleans(), again=st.booleans())
    @precondition(lambda self: self.there.tables)
    def their_drop(self, pick: int, attached: bool, again: bool) -> None:
        table = one_of(self.choice(attached), pick)
        statements = [f"DROP TABLE {table.sql}"]
        if again:
            statements.append(f"CREATE TABLE {table.sql} (LIKE {self.table} INCLUDING {COPIED})")
        if self.run_sql(*statements, losing=table.values):
            self.did("their drop" if not again else "their drop and another of the name")

    @rule(pick=PICKS)
    @precondition(lambda self: self.there.tables)
    def their_move(self, pick: int) -> None:
        table = one_of(self.there.tables, pick)
        if self.run_sql(f"ALTER TABLE {table.sql} SET TABLESPACE {elsewhere()}"):
            self.did("their move")

    @rule(pick=PICKS)
    @precondition(lambda self: not self.there.default)
    def their_default(self, pick: int) -> None:
        if self.run_sql(f"CREATE TABLE {self.new_name()} PARTITION OF {self.table} DEFAULT"):
            self.did("their default partition")

    @rule(empty=st.booleans())
    @precondition(lambda self: self.there.default)
    def their_end_of_the_default(self, empty: bool) -> None:
        default = self.there.default
        assert default is not None
        end = f"DROP TABLE {default.sql}" if empty else self.alter(default)
        if self.run_sql(end, losing=default.values if empty else frozenset()):
            self.did("their end of the default partition")

    @rule(pick=PICKS, quarters=QUARTERS)
    @precondition(lambda self: self.there.loose)
    def their_row_in_a_detached_one(self, pick: int, quarters: int) -> None:
        if self.insert(one_of(self.there.loose, pick).sql, self.moment(quarters)):
            self.did("their row in a detached one")

    def attach(self, name: str, lower: str, upper: str) -> bool:
        """Attach by hand."""
        return self.run_sql(
            f"ALTER TABLE {self.table} ATTACH PARTITION {name}"
            f" FOR VALUES FROM ({lower}) TO ({upper})"
        )

    def alter(self, table: Table) -> str:
        """Return the beginning of how to detach it."""
        return f"ALTER TABLE {self.table} DETACH PARTITION {table.sql}"

    def autocommitted(self, *statements: str) -> bool:
        """Run each by itself; return whether the server took them all."""
        try:
            with connection.cursor() as cursor:
                for each in statements:
                    cursor.execute(each)
        except (OperationalError, IntegrityError):  # the second: rows refer to it
            return False
        self.see()
        return True
