"""Observer of the load proof: nothing is dropped before its time, and its rows were read."""

from __future__ import annotations

from collections.abc import Sequence

from proof.load.partition_observer import PartitionObserver
from proof.load.partitions import Partition

GRACE = 20.0
ROWS = {"old": [1, 2, 3]}


def rows_of(name: str) -> Sequence[int] | None:
    return ROWS.get(name)


def seen(*measurements: tuple[float, bool | None], name: str = "old") -> PartitionObserver:
    """Return an observer that has seen one partition at these moments; None is when it is gone."""
    observer = PartitionObserver(rows_of)
    for moment, is_attached in measurements:
        there = (
            [] if is_attached is None else [Partition(oid=1, name=name, is_attached=is_attached)]
        )
        observer.observe(there, moment)
    return observer


def test_what_is_kept_for_its_grace_may_go_and_its_rows_are_known() -> None:
    observer = seen((0, True), (1, False), (20, False), (21, None))
    assert observer.early_drops(GRACE) == []
    assert [each.numbers for each in observer.dropped] == [[1, 2, 3]]


def test_what_goes_earlier_is_an_early_drop() -> None:
    (sentence,) = seen((0, True), (1, False), (19, None)).early_drops(GRACE)
    assert sentence.startswith("old was dropped 19.0 s after it was seen attached, before its")


def test_what_goes_unseen_is_an_early_drop() -> None:
    observer = seen((0, True), (50, None))
    assert observer.early_drops(GRACE) == ["old was dropped, and was never seen detached."]
    assert [each.numbers for each in observer.dropped] == [None]


def test_what_is_there_is_no_early_drop() -> None:
    assert seen((0, True), (1, False), (2, False)).early_drops(GRACE) == []
    assert seen((0, True), (1, False), (2, False)).dropped == []


def test_what_stays_past_its_time_is_named() -> None:
    assert seen((0, True), (5, False)).overdue(4) == []
    assert seen((0, True), (5, False)).overdue(6) == ["old"]
    assert seen((0, True), (5, False), (9, None)).overdue(6) == []
    assert seen((0, True), (5, True)).overdue(6) == []


def test_a_table_that_is_gone_when_it_is_read_has_no_rows_to_show() -> None:
    observer = seen((0, True), (1, False), (30, None), name="quick")
    assert [each.numbers for each in observer.dropped] == [None]
