"""Rules of manual SQL: detached tables lose constraints and indexes that an attach needs."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from proof.drift.base_machine import PICKS, BaseMachine, one_of

INDEXES = """
DO $$ DECLARE each regclass; BEGIN
FOR each IN SELECT indexrelid FROM pg_index WHERE indrelid = '{sql}'::regclass
            AND NOT indisprimary LOOP EXECUTE format('DROP INDEX %s', each); END LOOP; END $$
"""

CONSTRAINTS = """
DO $$ DECLARE each name; BEGIN
FOR each IN SELECT conname FROM pg_constraint
            WHERE conrelid = '{sql}'::regclass AND contype IN ({kinds})
LOOP EXECUTE format('ALTER TABLE {sql} DROP CONSTRAINT %I', each); END LOOP; END $$
"""

REMOVALS = {
    "indexes": INDEXES,
    "keys": CONSTRAINTS.replace("{kinds}", "'p', 'u'"),
    "checks": CONSTRAINTS.replace("{kinds}", "'c'"),
    "foreign keys": CONSTRAINTS.replace("{kinds}", "'f'"),
    "all": INDEXES + ";" + CONSTRAINTS.replace("{kinds}", "'p', 'u', 'c', 'f'"),
}


class DetachedTableRules(BaseMachine):
    """An attach has to build anew what is missing."""

    @rule(pick=PICKS, what=st.sampled_from(sorted(REMOVALS)))
    @precondition(lambda self: self.there.loose)
    def their_spoiling(self, pick: int, what: str) -> None:
        table = one_of(self.there.loose, pick)
        if self.run_sql(REMOVALS[what].replace("{sql}", table.sql)):
            self.did(f"their spoiling of {what}")

    @rule(pick=PICKS)
    @precondition(lambda self: self.there.loose)
    def their_not_valid_check(self, pick: int) -> None:
        table = one_of(self.there.loose, pick)
        if self.run_sql(
            f"ALTER TABLE {table.sql} ADD CONSTRAINT odd CHECK (value > 0) NOT VALID",
            f"CREATE INDEX ON {table.sql} ({self.key}, value)",
        ):
            self.did("their additions")

    @rule(pick=PICKS, words=st.sampled_from(["NULL", "'kept for the auditors'"]))
    @precondition(lambda self: self.there.tables)
    def their_comment(self, pick: int, words: str) -> None:
        table = one_of(self.there.tables, pick)
        if self.run_sql(f"COMMENT ON TABLE {table.sql} IS {words}"):
            self.did("their comment")
