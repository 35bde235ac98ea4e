"""Samples of the load proof are read back, refusals included."""

from __future__ import annotations

from pathlib import Path

import pytest

from proof.load.samples import (
    INSERT,
    LATE,
    SUFFIX,
    Sample,
    StatementLog,
    Window,
    percentile,
    read_samples,
    written,
)

LABEL = "load.t00"


def refuse() -> None:
    raise LookupError('no partition,\n"of" relation')


def noted(folder: Path) -> list[Sample]:
    with (folder / f"writer-0{SUFFIX}").open("w", newline="") as file:
        statement_log = StatementLog(file)
        assert statement_log.timed(INSERT, LABEL, lambda: None, number=7, errors=LookupError)
        assert statement_log.timed(LATE, LABEL, lambda: None, number=8, errors=LookupError)
        assert not statement_log.timed(INSERT, LABEL, refuse, number=9, errors=LookupError)
        assert statement_log.timed("SELECT", LABEL, lambda: None, errors=LookupError)
    return read_samples(folder)


def test_a_refusal_is_noted_and_not_raised(tmp_path: Path) -> None:
    errors = [each.error for each in noted(tmp_path)]
    assert errors == ["", "", 'no partition, "of" relation', ""]


def test_only_acknowledged_rows_count_as_written(tmp_path: Path) -> None:
    assert written(noted(tmp_path)) == {LABEL: [7, 8]}


def test_other_errors_are_raised(tmp_path: Path) -> None:
    with (tmp_path / f"writer-0{SUFFIX}").open("w") as file, pytest.raises(LookupError):
        StatementLog(file).timed(INSERT, LABEL, refuse, errors=ArithmeticError)


def test_a_statement_counts_in_each_window_that_it_touches() -> None:
    across = Sample(kind=INSERT, label=LABEL, number=1, started=9.0, seconds=2.0, error="")
    assert Window(began=0, ended=10).has(across)
    assert Window(began=10, ended=20).has(across)
    assert not Window(began=12, ended=20).has(across)


def test_percentile() -> None:
    assert percentile([], 0.99) == 0.0
    assert percentile([3.0], 0.99) == 3.0
    assert percentile([float(n) for n in range(100)], 0.99) == 99.0
    assert percentile([float(n) for n in range(100)], 0.5) == 50.0
