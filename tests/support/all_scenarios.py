"""Scenarios of every operation to disturb, by name."""

from __future__ import annotations

from collections.abc import Callable

from tests.support import resumed_scenarios, scenarios
from tests.support.scenarios import Scenario

ALL_SCENARIOS: dict[str, Callable[[str], Scenario]] = {
    "create ahead": lambda _: scenarios.create_ahead(),
    "create beside a big default": lambda _: scenarios.create_beside_a_big_default_partition(),
    "release a default": lambda _: resumed_scenarios.release_a_default_partition(),
    "detach and move": scenarios.detach_and_move,
    "detach with a foreign key": lambda _: scenarios.detach_with_a_foreign_key(),
    "detach what a table refers to": lambda _: scenarios.detach_what_a_table_refers_to(),
    "detach beside a default": lambda _: scenarios.detach_beside_a_default_partition(),
    "finalize and move": resumed_scenarios.finalize_and_move,
    "finalize with a foreign key": lambda _: resumed_scenarios.finalize_with_a_foreign_key(),
    "attach": lambda _: scenarios.attach(),
    "attach what lacks things": lambda _: scenarios.attach_without_index_and_foreign_key(),
    "attach beside a default": lambda _: resumed_scenarios.attach_beside_a_default_partition(),
    "attach, its detach pending": lambda _: resumed_scenarios.call_off_a_pending_detach(),
    "move": scenarios.move_a_detached_one,
    "move an attached one": resumed_scenarios.move_an_attached_one,
    "truncate": lambda _: resumed_scenarios.truncate(),
    "drop after the grace": lambda _: scenarios.drop_after_the_grace(),
    "drop by hand": lambda _: scenarios.drop_by_hand(),
}
"""By name; each is made with the name of a tablespace to move to."""
