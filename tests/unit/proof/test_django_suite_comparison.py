"""What the comparison of Django's tests, without and with us, does not let pass."""

from __future__ import annotations

from dataclasses import replace

from proof.django_suite.comparison import Comparison, Record, table

ONE, TWO = "schema.tests.SchemaTests.test_one", "schema.tests.SchemaTests.test_two"
WITHOUT = Record(
    endings={ONE: ["passed"], TWO: ["skipped"]},
    reasons={},
    editors={"others": 2},
    partitions=False,
    partitioned=0,
)
INCLUDING = replace(WITHOUT, editors={"ours": 2}, partitions=True)


def faults(without: Record = WITHOUT, including: Record = INCLUDING) -> list[str]:
    return list(Comparison(suite="schema", without=without, including=including).faults())


def test_two_runs_that_are_the_same_have_no_faults() -> None:
    assert faults() == []


def test_a_test_that_ends_otherwise_is_named_with_its_error() -> None:
    failed = replace(
        INCLUDING, endings={ONE: ["failed"], TWO: ["skipped"]}, reasons={ONE: "AssertionError: 1"}
    )
    assert faults(including=failed) == [
        f"{ONE}: passed without pg_timepart, failed with it: AssertionError: 1"
    ]


def test_a_test_that_ends_better_is_a_difference_too() -> None:
    failed = replace(WITHOUT, endings={ONE: ["error"], TWO: ["skipped"]}, reasons={ONE: "E: 1"})
    assert faults(without=failed) == [f"{ONE}: error without pg_timepart, passed with it: E: 1"]


def test_a_test_that_one_run_lacks_is_a_difference() -> None:
    fewer = replace(INCLUDING, endings={ONE: ["passed"]})
    assert faults(including=fewer) == [f"{TWO}: skipped without pg_timepart, not run with it"]


def test_a_part_that_failed_counts_beside_the_whole() -> None:
    both = replace(INCLUDING, endings={ONE: ["passed", "error"], TWO: ["skipped"]})
    assert faults(including=both) == [
        f"{ONE}: passed without pg_timepart, error and passed with it"
    ]
    assert both.counts() == (2, 0, 1, 1)


def test_runs_without_tests_prove_nothing() -> None:
    empty = Record(endings={}, reasons={}, editors={}, partitions=False, partitioned=0)
    assert faults(empty, empty) == [
        "schema: no test ran.",
        "schema: pg_timepart was not active in the run with it.",
    ]


def test_the_app_must_have_been_active_in_every_test_of_one_run_and_in_none_of_the_other() -> None:
    inactive = ["schema: pg_timepart was not active in the run with it."]
    assert faults(including=replace(INCLUDING, editors={"ours": 1, "others": 1})) == inactive
    assert faults(including=replace(INCLUDING, partitions=False)) == inactive
    assert faults(including=WITHOUT) == inactive
    active = ["schema: pg_timepart was active in the run without it."]
    assert faults(without=replace(WITHOUT, editors={"others": 1, "ours": 1})) == active


def partitioned(including: Record, expected: dict[str, str]) -> Comparison:
    return Comparison(
        suite="basic",
        without=WITHOUT,
        including=including,
        is_partitioned=True,
        expected=expected,
    )


def test_a_difference_may_be_expected_and_must_then_show() -> None:
    refused = replace(INCLUDING, partitioned=3, endings={ONE: ["error"], TWO: ["skipped"]})
    reason = {ONE: "the server refuses it"}
    assert list(partitioned(refused, reason).faults()) == []
    assert list(partitioned(refused, {}).faults()) == [
        f"{ONE}: passed without pg_timepart, error with it"
    ]
    assert list(partitioned(replace(INCLUDING, partitioned=3), reason).faults()) == [
        f"{ONE}: ended alike, and was expected not to: the server refuses it."
    ]
    elsewhere = {"delete.tests.T.test": "another suite's"}
    assert list(partitioned(replace(INCLUDING, partitioned=3), elsewhere).faults()) == []


def test_models_must_have_been_partitioned_where_they_shall_be_and_nowhere_else() -> None:
    assert list(partitioned(INCLUDING, {}).faults()) == ["basic: 0 tables were partitioned."]
    assert faults(including=replace(INCLUDING, partitioned=2)) == [
        "schema: 2 tables were partitioned."
    ]


def test_the_table_counts_both_ways() -> None:
    failed = replace(INCLUDING, endings={ONE: ["failed as expected"], TWO: ["failed"]})
    *_, line = table([Comparison(suite="schema", without=WITHOUT, including=failed)]).splitlines()
    assert line.split() == ["schema", "2", "1", "0", "1", "2", "1", "1", "0", "0", "2", "of", "2"]
