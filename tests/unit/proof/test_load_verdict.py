"""Verdict of the load proof: everything that must make it fail does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from deploy.demo.history import Step
from pg_timepart.constants import ActionKind, Outcome
from proof.load.rotations import Goal, Rotations
from proof.load.row_balance import Location, PartitionRows, RowBalance, balance
from proof.load.samples import INSERT, Sample
from proof.load.table_kinds import KINDS
from proof.load.verdict import Verdict

LABEL = "load.t00"
MOVING = next(each for each in KINDS if each.moves and not each.drops)
DROPPING = next(each for each in KINDS if each.drops and not each.moves)


def sample(kind: str = INSERT, error: str = "") -> Sample:
    return Sample(kind=kind, label=LABEL, number=1, started=0.0, seconds=0.01, error=error)


def held(location: Location, *numbers: int) -> PartitionRows:
    return PartitionRows(label=LABEL, location=location, numbers=numbers)


def balanced(**wrong: Any) -> RowBalance:
    right = {"written": 1, "counts": {}, "lost": (), "doubled": (), "unknown": ()}
    return RowBalance(**{**right, **wrong})


def verdict(**wrong: Any) -> Verdict:
    right = {
        "samples": [sample()],
        "balance": balanced(),
        "shortfalls": [],
        "early_drops": [],
        "failures": [],
        "by_worker": {"worker-1@load": 1},
        "by_beat": {"beat-1": 1},
    }
    return Verdict(**{**right, **wrong})


def step(kind: ActionKind, partition: str, **facts: Any) -> Step:
    done = Step(
        at=datetime(2024, 5, 1, tzinfo=UTC),
        label=LABEL,
        kind=kind,
        partition=partition,
        outcome=Outcome.DONE,
        seconds=0.01,
        waited_seconds=0.0,
        detail="",
        is_referred=False,
        is_scheduled=True,
        worker="worker-1@load",
    )
    return replace(done, **facts)


def rotation(number: int, **facts: Any) -> list[Step]:
    return [
        step(ActionKind.CREATE, f"new_{number}", **facts),
        step(ActionKind.DETACH, f"old_{number}", **facts),
        step(ActionKind.MOVE, f"old_{number}", **facts),
    ]


def goal(**facts: Any) -> Goal:
    wanted = {"label": LABEL, "kind": MOVING, "rotations": 2, "has_archive": True}
    return Goal(**{**wanted, **facts})


def test_a_run_with_nothing_wrong_has_no_complaint() -> None:
    assert verdict().complaints == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"samples": [sample(error="no partition")]}, "1 rows were refused, such as: INSERT of"),
        ({"samples": [sample("SELECT", "gone")]}, "1 other statements ended in an error"),
        ({"balance": balanced(lost=("load.t00 7",))}, "1 rows are lost, such as: load.t00 7"),
        ({"balance": balanced(doubled=("load.t00 7",))}, "1 rows are there more than once"),
        ({"balance": balanced(unknown=("load.t00 7",))}, "1 rows are there that were not ack"),
        ({"balance": balanced(written=0)}, "No row was written"),
        ({"shortfalls": ["load.t00: 1 of 2 times create."]}, "1 parts of rotations are missing"),
        ({"early_drops": ["x was dropped"]}, "1 partitions were dropped before their time"),
        ({"failures": ["maintain load.t00: failed"]}, "1 runs failed"),
        ({"by_worker": {"worker-1@load": 1, "worker-2@load": 0}}, "worker-2@load did nothing."),
        ({"by_beat": {"beat-1": 0}}, "beat-1 sent nothing."),
    ],
)
def test_each_fault_is_a_complaint(wrong: dict[str, Any], words: str) -> None:
    (complaint,) = verdict(**wrong).complaints
    assert words in complaint


def test_many_alike_are_counted_and_a_few_are_named() -> None:
    refused = [sample(error="no partition")] * 200 + [sample(error=str(n)) for n in range(9)]
    (complaint,) = verdict(samples=refused).complaints
    assert complaint.startswith("209 rows were refused, such as: 200 times: INSERT of load.t00")
    assert complaint.count(INSERT) == 5


def test_rows_are_found_wherever_they_are() -> None:
    found = balance(
        {LABEL: range(1, 8)},
        [
            held(Location.ATTACHED, 1, 2, 3),
            held(Location.DETACHED, 4),
            held(Location.ARCHIVE, 5, 6),
            held(Location.DROPPED, 7),
        ],
    )
    assert (found.written, found.lost, found.doubled, found.unknown) == (7, (), (), ())
    assert found.counts == {
        Location.ATTACHED: 3,
        Location.DETACHED: 1,
        Location.ARCHIVE: 2,
        Location.DROPPED: 1,
    }


def test_rows_that_are_lost_double_or_unknown_are_named() -> None:
    found = balance(
        {LABEL: [1, 2, 3], "load.t01": [1]},
        [held(Location.ATTACHED, 1, 2, 9), held(Location.ARCHIVE, 2)],
    )
    assert found.lost == ("load.t00 3", "load.t01 1")
    assert found.doubled == ("load.t00 2",)
    assert found.unknown == ("load.t00 9",)


def test_enough_rotations_fall_short_of_nothing() -> None:
    done = Rotations.of([*rotation(1), *rotation(2)])
    assert done.shortfalls([goal()]) == []
    assert done.by_worker == {"worker-1@load": 6}


@pytest.mark.parametrize(
    ("steps", "wanted", "words"),
    [
        ([*rotation(1), *rotation(2)[1:]], goal(), ["1 of 2 times create."]),
        ([*rotation(1), *rotation(2)[:1]], goal(), ["1 of 2 times detach."]),
        ([*rotation(1), *rotation(2)[:2]], goal(), ["1 of 2 times move."]),
        ([*rotation(1), *rotation(2)[:2]], goal(has_archive=False), []),
        ([*rotation(1), *rotation(2)], goal(kind=DROPPING), ["0 of 1 times drop."]),
        ([*rotation(1), *rotation(1)], goal(), ["1 of 2 times create.", "1 of 2 times detach."]),
        ([], goal(rotations=1), ["0 of 1 times create.", "0 of 1 times detach."]),
    ],
)
def test_what_did_not_happen_is_named(steps: list[Step], wanted: Goal, words: list[str]) -> None:
    assert Rotations.of(steps).shortfalls([wanted]) == [f"{LABEL}: {each}" for each in words]


@pytest.mark.parametrize(
    "facts",
    [{"is_scheduled": False}, {"outcome": Outcome.DEFERRED}, {"outcome": Outcome.FAILED}],
)
def test_only_what_was_done_on_schedule_counts(facts: dict[str, Any]) -> None:
    assert Rotations.of(rotation(1, **facts)).total == {}


def test_a_detach_that_finalize_has_ended_counts_once() -> None:
    ended = [step(ActionKind.FINALIZE, "old_1"), step(ActionKind.DETACH, "old_1")]
    assert Rotations.of(ended).total == {"detach": 1}
