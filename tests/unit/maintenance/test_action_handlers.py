"""Each kind of action has one handler, whose words tell it from the others."""

from __future__ import annotations

from pg_timepart.constants import ActionKind
from pg_timepart.maintenance.actions.handlers import HANDLERS, in_order
from pg_timepart.partitions.plan import Action


def test_each_kind_of_action_has_a_handler() -> None:
    assert set(HANDLERS) == set(ActionKind)


def test_each_handler_has_words_of_its_own() -> None:
    for words in (
        {each.verb for each in HANDLERS.values()},
        {each.past for each in HANDLERS.values()},
    ):
        assert len(words) == len(HANDLERS)
        assert all(words)


def test_what_clears_the_way_comes_first_and_then_what_makes_room() -> None:
    actions = [Action(kind=each, partition="leaf", bounds=None, reason="") for each in ActionKind]
    clearing, making_room, rest = in_order(reversed(actions))
    assert {each.kind for each in clearing} == {ActionKind.RELEASE, ActionKind.FINALIZE}
    assert [each.kind for each in making_room] == [ActionKind.CREATE]
    assert [each.kind for each in rest] == [
        each.kind for each in reversed(actions) if each not in (*clearing, *making_room)
    ]
