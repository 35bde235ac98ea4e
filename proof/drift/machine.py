"""The whole machine: our operations and theirs, in any order, on one table."""

from __future__ import annotations

import sys

from hypothesis.stateful import invariant

from proof.drift.manual_rules import Theirs
from proof.drift.operation_rules import Ours
from proof.drift.rename_rules import Renaming
from proof.drift.row_rules import Tampering
from proof.drift.spoil_rules import Spoiling


class Drift(Ours, Theirs, Renaming, Spoiling, Tampering):
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
