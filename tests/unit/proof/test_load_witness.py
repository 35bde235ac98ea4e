"""Who sees that nothing is dropped before its time, and knows what was in it."""

from __future__ import annotations

from collections.abc import Sequence

from proof.load.leaves import Leaf
from proof.load.witness import Witness

GRACE = 20.0
ROWS = {"old": [1, 2, 3]}


def rows_of(name: str) -> Sequence[int] | None:
    return ROWS.get(name)


def seen(*looks: tuple[float, bool | None], name: str = "old") -> Witness:
    """Let a witness look at one partition; None is when it is gone."""
    witness = Witness(rows_of)
    for moment, is_attached in looks:
        there = [] if is_attached is None else [Leaf(oid=1, name=name, is_attached=is_attached)]
        witness.look(there, moment)
    return witness


def test_what_is_kept_for_its_grace_may_go_and_its_rows_are_known() -> None:
    witness = seen((0, True), (1, False), (20, False), (21, None))
    assert witness.broken_promises(GRACE) == []
    assert [each.numbers for each in witness.dropped] == [[1, 2, 3]]


def test_what_goes_earlier_breaks_the_promise() -> None:
    (sentence,) = seen((0, True), (1, False), (19, None)).broken_promises(GRACE)
    assert sentence.startswith("old was dropped 19.0 s after it was seen attached, before its")


def test_what_goes_unseen_breaks_the_promise() -> None:
    witness = seen((0, True), (50, None))
    assert witness.broken_promises(GRACE) == ["old was dropped, and was never seen detached."]
    assert [each.numbers for each in witness.dropped] == [None]


def test_what_is_there_breaks_none() -> None:
    assert seen((0, True), (1, False), (2, False)).broken_promises(GRACE) == []
    assert seen((0, True), (1, False), (2, False)).dropped == []


def test_what_stays_past_its_time_is_named() -> None:
    assert seen((0, True), (5, False)).overdue(4) == []
    assert seen((0, True), (5, False)).overdue(6) == ["old"]
    assert seen((0, True), (5, False), (9, None)).overdue(6) == []
    assert seen((0, True), (5, True)).overdue(6) == []


def test_a_table_that_is_gone_when_it_is_read_has_no_rows_to_show() -> None:
    witness = seen((0, True), (1, False), (30, None), name="quick")
    assert [each.numbers for each in witness.dropped] == [None]
