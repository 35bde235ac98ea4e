"""State machine of the drift proof: operations and manual SQL, in any order, on one table."""

from __future__ import annotations

import sys

from hypothesis.stateful import invariant

from proof.drift.detached_table_rules import DetachedTableRules
from proof.drift.log_row_rules import LogRowRules
from proof.drift.manual_sql_rules import ManualSqlRules
from proof.drift.operation_rules import OperationRules
from proof.drift.reference_rules import ReferenceRules
from proof.drift.rename_rules import RenameRules


class DriftMachine(
    OperationRules,
    ManualSqlRules,
    ReferenceRules,
    RenameRules,
    DetachedTableRules,
    LogRowRules,
):
    """After any sequence, ``reconcile`` and a pass put everything right."""

    @invariant()
    def every_row_is_somewhere(self) -> None:
        self.tally["steps"] += 1
        self.see()

    def teardown(self) -> None:
        """Settle what the last steps left, unless a step has failed already."""
        try:
            if sys.exception() is None:
                self.settle()
        finally:
            super().teardown()
