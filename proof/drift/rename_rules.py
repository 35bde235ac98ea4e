"""Rules of manual SQL: renamed and moved partitions, and other objects that take their names."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from proof.drift.agreement import is_marked
from proof.drift.base_machine import PICKS, BaseMachine, one_of
from proof.drift.observed_tables import Table
from proof.drift.other_locations import ASIDE

OBSTACLES = {
    "VIEW": "CREATE VIEW {name} AS SELECT 1 AS one",
    "SEQUENCE": "CREATE SEQUENCE {name}",
    "TYPE": "CREATE TYPE {name} AS ENUM ('one')",
    "TABLE": "CREATE TABLE {name} (LIKE {table})",
}


class RenameRules(BaseMachine):
    """Names are for people, and people change them."""

    @rule(pick=PICKS, attached=st.booleans())
    @precondition(lambda self: self.there.tables)
    def their_rename(self, pick: int, attached: bool) -> None:
        table = one_of(self.choice(attached), pick)
        if self.rename(table, self.new_name()):
            self.did("their rename")

    @rule(pick=PICKS, ahead=st.sampled_from([0, 0, 1]), attached=st.booleans())
    @precondition(lambda self: self.there.tables)
    def their_rename_to_the_next_name(self, pick: int, ahead: int, attached: bool) -> None:
        table = one_of(self.choice(attached), pick)
        if self.rename(table, self.next_name(ahead)):
            self.did("their rename to the next name")

    @rule(first=PICKS, second=PICKS)
    @precondition(lambda self: len(self.there.tables) > 1)
    def their_swap_of_names(self, first: int, second: int) -> None:
        one, other = one_of(self.there.tables, first), one_of(self.there.tables, second)
        if one.oid == other.oid or one.schema != other.schema:
            return
        between = self.new_name()
        swapped = self.run_sql(
            f"ALTER TABLE {one.sql} RENAME TO {between}",
            f'ALTER TABLE {other.sql} RENAME TO "{one.name}"',
            f'ALTER TABLE "{one.schema}".{between} RENAME TO "{other.name}"',
        )
        if swapped:
            self.lose_track(one, other)
            self.did("their swap of names")

    @rule(pick=PICKS)
    @precondition(lambda self: self.there.tables)
    def their_change_of_schema(self, pick: int) -> None:
        table = one_of(self.there.tables, pick)
        schema = ASIDE if table.schema == "public" else "public"
        if self.run_sql(f"ALTER TABLE {table.sql} SET SCHEMA {schema}"):
            self.lose_track(table)
            self.did("their change of schema")

    @rule(kind=st.sampled_from(sorted(OBSTACLES)), ahead=st.sampled_from([0, 0, 1]))
    @precondition(lambda self: len(self.obstacles) < 2)
    def their_obstacle(self, kind: str, ahead: int) -> None:
        name = self.next_name(ahead)
        if self.run_sql(OBSTACLES[kind].format(name=name, table=self.table)):
            if kind != "TABLE":
                self.obstacles[name] = kind
            self.did(f"their {kind.lower()} in the way")

    @rule()
    @precondition(lambda self: self.obstacles)
    def their_end_of_an_obstacle(self) -> None:
        name, kind = self.obstacles.popitem()
        self.run_sql(f"DROP {kind} {name}")
        self.did("their end of an obstacle")

    def rename(self, table: Table, name: str) -> bool:
        """Rename by hand."""
        if not self.run_sql(f'ALTER TABLE {table.sql} RENAME TO "{name}"'):
            return False
        self.lose_track(table)
        return True

    def lose_track(self, *tables: Table) -> None:
        """Expect nothing of a detached table that nothing marks as ours: by OID alone, it may be
        a stranger that took over the OID."""
        for each in tables:
            if not each.is_attached and not is_marked(each, self.label):
                self.expected.doubt(each.oid)
