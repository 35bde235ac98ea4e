"""Rules of rows of another table that refer to rows of the table, and cease to."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from proof.drift.base_machine import PICKS, BaseMachine, one_of
from proof.drift.observed_tables import REFERENCES


class ReferenceRules(BaseMachine):
    """A partition that rows refer to stays attached."""

    @rule(pick=PICKS)
    @precondition(lambda self: self.model in REFERENCES)
    def their_reference(self, pick: int) -> None:
        values = sorted(value for each in self.there.firm for value in each.values)
        if not values:
            return
        table, column = REFERENCES[self.model]
        if self.run_sql(
            f"INSERT INTO {table} ({column}, grams)"
            f" SELECT {self.key}, 1 FROM {self.table} WHERE value = {one_of(values, pick)}"
        ):
            self.did("their reference")

    @rule(some=st.booleans())
    @precondition(lambda self: self.there.referred)
    def their_end_of_references(self, some: bool) -> None:
        table, column = REFERENCES[self.model]
        which = f" WHERE {column} = (SELECT min({column}::text)::uuid FROM {table})" if some else ""
        if self.run_sql(f"DELETE FROM {table}{which}"):
            self.did("their end of references")
