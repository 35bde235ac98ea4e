"""Fixed sequences of steps: every rule of the machine once, where it has something to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from proof.drift.observed_tables import Table
from proof.drift.state_machine import DriftMachine


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rule, what it is called with, and what it is counted as when it took effect."""

    rule: str
    effect: str
    arguments: dict[str, Any]

    def take(self, machine: DriftMachine) -> None:
        """Apply the rule; fail if it may not be applied, or had no effect."""
        (rule,) = (each for each in machine.rules if each.function.__name__ == self.rule)
        assert all(each(machine) for each in rule.preconditions), f"{self.rule} was not possible"
        before = machine.tally[self.effect]
        arguments = {
            name: given(machine) if callable(given) else given
            for name, given in self.arguments.items()
        }
        getattr(machine, self.rule)(**arguments)
        assert machine.tally[self.effect] > before, f"{self.rule} had no effect"
        machine.every_row_is_somewhere()


def step(rule: str, effect: str, **arguments: Any) -> Step:
    return Step(rule=rule, effect=effect, arguments=arguments)


def an_attached_row(machine: DriftMachine) -> int:
    """Return the pick of the row of the oldest attached partition that has rows in it."""
    return _pick_of_row(machine, lambda each: each.is_attached and bool(each.values))


def a_detached_row(machine: DriftMachine) -> int:
    return _pick_of_row(machine, lambda each: not each.is_attached)


def made_by_hand(machine: DriftMachine) -> int:
    """Return the pick of the row of a partition that we did not make."""
    return _pick_of_row(machine, lambda each: each.is_attached and each.comment is None)


def _pick_of_row(machine: DriftMachine, is_wanted: Callable[[Table], bool]) -> int:
    there = {each.oid for each in machine.there if is_wanted(each)}
    found = [number for number, log in enumerate(machine.logs) if log.relid in there]
    return min(found, key=lambda number: str(machine.logs[number].start))


SETTLE = step("our_settling", "our settling")

OPERATIONS = (
    step("our_attach", "our attach", pick=0, pin=None),
    step("our_attach_of_all", "our attach", pin=2),
    SETTLE,
    step("our_create_next", "our create", days=3),
    step("our_create_range", "our create of a range", quarters=32, length=4, odd=False),
    step("our_truncate", "our truncate", pick=an_attached_row),
    step("our_detach", "our detach", pick=an_attached_row, plain=True),
    step("our_detach", "our detach", pick=an_attached_row, plain=False),
    step("our_move", "our move", pick=a_detached_row),
    step("our_drop", "our drop", pick=a_detached_row),
    step("row_at_a_moment", "row", quarters=1, odd=True),
    step("row_at_a_bound", "row at a bound", pick=1, side="end", before=True),
    SETTLE,
    step("our_tablespaces", "our tablespaces", attached=True, detached=True),
    step("our_interval", "our interval", interval=2, max_retire=31),
    step("our_detach_of_expired", "our detach of expired"),
    step("our_grace", "our grace", grace=timedelta(hours=30)),
    step("time_passes", "time passes", pause=8, is_idle=True),
    step("our_pass", "our pass"),
    step("our_reconcile", "our reconcile"),
    step("our_premake", "our premake", premake=3),
    step("our_zone", "our zone", zone="Europe/Berlin"),
    step("our_period", "our period", period="Week", count=2),
    SETTLE,
    step("our_truncate_of_all", "our truncate of all"),
)

MANUAL_SQL = (
    step("their_attach", "their attach", pick=0, shift=0),
    step("their_attach", "their attach", pick=0, shift=0),
    step("their_partition", "their partition", pick=1, quarters=24, length=4, side=""),
    step("their_partition", "their partition min", pick=1, quarters=-24, length=4, side="min"),
    step("their_sub_partitioned", "their sub-partitioned", pick=1, quarters=32, length=6),
    step(
        "their_attach_of_a_new_one",
        "their attach of a new one",
        pick=1,
        quarters=38,
        length=4,
        rows=True,
    ),
    SETTLE,
    step("our_detach", "our detach", pick=made_by_hand, plain=False),
    step("loss_of_a_row", "loss of a row", pick=a_detached_row),
    SETTLE,
    step("their_detach", "their detach", pick=2),
    step("their_move", "their move", pick=2),
    step("their_concurrent_detach", "their concurrent detach", pick=2),
    step("their_row_in_a_detached_one", "their row in a detached one", pick=1, quarters=-4),
    step("their_pending_detach", "their pending detach", pick=2),
    step("their_finalize", "their finalize"),
    step("their_pending_detach", "their pending detach", pick=2),
    SETTLE,
    step("their_drop", "their drop", pick=0, attached=False, again=False),
    step("their_drop", "their drop and another of the name", pick=0, attached=True, again=True),
    SETTLE,
    step("their_default", "their default partition", pick=0),
    SETTLE,
    step("their_end_of_the_default", "their end of the default partition", empty=False),
)

RENAMES = (
    step("our_attach_of_all", "our attach", pin=None),
    step("our_detach", "our detach", pick=an_attached_row, plain=False),
    step("our_detach", "our detach", pick=an_attached_row, plain=True),
    step("their_rename", "their rename", pick=0, attached=True),
    step("their_rename", "their rename", pick=0, attached=False),
    step(
        "their_rename_to_the_next_name",
        "their rename to the next name",
        pick=1,
        ahead=0,
        attached=True,
    ),
    step("their_swap_of_names", "their swap of names", first=1, second=3),
    step("their_change_of_schema", "their change of schema", pick=2),
    SETTLE,
    step("their_obstacle", "their view in the way", kind="VIEW", ahead=1),
    step("time_passes", "time passes", pause=8, is_idle=False),
    step("their_end_of_an_obstacle", "their end of an obstacle"),
    SETTLE,
    step("their_spoiling", "their spoiling of all", pick=0, what="all"),
    step("their_not_valid_check", "their additions", pick=1),
    step("their_comment", "their comment", pick=2, words="'kept for the auditors'"),
    step("our_attach_of_all", "our attach", pin=None),
)

LOG_ROWS = tuple(
    each
    for damage in (
        step("loss_of_a_row", "loss of a row", pick=a_detached_row),
        step("wrong_bounds", "wrong bounds in a row", pick=an_attached_row, field="both", hours=5),
        step("wrong_name", "wrong name in a row", pick=an_attached_row, other=3),
        step("wrong_oid", "wrong OID in a row", pick=a_detached_row, oid=1259),
        step("swapped_oids", "swapped OIDs of rows", first=0, second=3),
        step("wrong_state", "wrong state in a row", pick=an_attached_row),
        step("second_row", "second row", pick=an_attached_row, oid=3),
        step("loss_of_all_rows", "loss of all rows"),
    )
    for each in (damage, SETTLE)
)

OTHER_BOUNDS = (
    step("their_attach", "their attach with other bounds", pick=1, shift=-1),
    step("row_at_a_moment", "row", quarters=3, odd=False),
    SETTLE,
)

REFERENCES = (
    step("our_attach_of_all", "our attach", pin=None),
    step("their_reference", "their reference", pick=0),
    step("our_interval", "our interval", interval=1, max_retire=31),
    step("our_settling", "kept what rows refer to"),
    step("time_passes", "time passes", pause=8, is_idle=True),
    step("our_pass", "our pass"),
    step("their_reference", "their reference", pick=1),
    step("their_end_of_references", "their end of references", some=True),
    SETTLE,
    step("their_end_of_references", "their end of references", some=False),
    SETTLE,
)

SEQUENCES = {
    "operations": OPERATIONS,
    "manual SQL": MANUAL_SQL,
    "other bounds": OTHER_BOUNDS,
    "renames": RENAMES,
    "log rows": LOG_ROWS,
    "references": REFERENCES,
}


def rules_of(sequences: Iterable[tuple[Step, ...]]) -> set[str]:
    """Return the names of the rules that are taken."""
    return {each.rule for steps in sequences for each in steps}
