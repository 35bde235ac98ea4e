"""Plans as EXPLAIN prints them: what is scanned, by which conditions, and what is no statement."""

from __future__ import annotations

import json

import pytest

from pg_timepart.postgres.generic_plans import is_statement
from pg_timepart.postgres.statement_plans import names_column, read_plan

UPDATE = {
    "Plan": {
        "Node Type": "ModifyTable",
        "Relation Name": "event",
        "Schema": "public",
        "Alias": "event",
        "Target Tables": [{"Relation Name": "event_1", "Schema": "public", "Alias": "event_1"}],
        "Plans": [
            {
                "Node Type": "Append",
                "Subplans Removed": 1,
                "Plans": [
                    {
                        "Node Type": "Seq Scan",
                        "Relation Name": "event_1",
                        "Schema": "public",
                        "Alias": "event_1",
                        "Filter": '(event_1."at" = $0)',
                    }
                ],
            },
            {
                "Node Type": "Aggregate",
                "Subplan Name": "InitPlan 1 (returns $0)",
                "Plans": [{"Node Type": "CTE Scan", "CTE Name": "c", "Alias": "c"}],
            },
        ],
    }
}


def test_a_scan_is_of_a_table_that_is_read_not_of_one_that_is_written() -> None:
    plan = read_plan(json.dumps([UPDATE]))

    assert [(each.schema, each.name) for each in plan.scans] == [("public", "event_1")]
    assert plan.aliases == {"event", "event_1", "c"}


@pytest.mark.parametrize(
    ("condition", "is_late"),
    [
        ('(event_1."at" = $0)', True),
        ('(event_1."at" = (InitPlan 1).col1)', True),
        ('(event_1."at" = c.at)', True),
        ('(event_1."at" = "c".at)', True),
        ('(event_1."at" = $1)', False),
        ('(event_1."at" = $01)', False),
        ('(event_1."at" = abc.at)', False),
    ],
)
def test_what_another_scan_gives_is_known_only_while_it_runs(condition: str, is_late: bool) -> None:
    plan = read_plan(UPDATE)

    assert plan.is_decided_late(plan.scans[0], condition) is is_late


@pytest.mark.parametrize(
    ("condition", "is_named"),
    [
        ('(e_1."timestamp" >= $1)', True),
        ("((e_1.timestamp)::date = $1)", True),
        ('("e_1".timestamp = $1)', True),
        ("(e_1.timestamp_of_sale = $1)", False),
        ("(e_12.timestamp = $1)", False),
        ("(some_e_1.timestamp = $1)", False),
        ("(e_1.id = $1)", False),
    ],
)
def test_a_column_is_found_by_its_alias_and_whole_name(condition: str, is_named: bool) -> None:
    assert names_column(condition, "e_1", "timestamp") is is_named


def test_a_name_that_needs_quotes_is_found() -> None:
    assert names_column('(e."Größe o\'clock" = $1)', "e", "Größe o'clock")
    assert names_column('("a""b"."c""d" = $1)', 'a"b', 'c"d')


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1", True),
        ("  /* app */ -- view\n ( select 1)", True),
        ("with x as (select 1) delete from y", True),
        ("MERGE INTO x USING y ON true", True),
        ("PREPARE x AS SELECT 1", False),
        ("EXECUTE x", False),
        ("EXPLAIN ANALYZE DELETE FROM x", False),
        ("COPY x FROM PROGRAM 'rm'", False),
        ("/* /* nested */ DROP */ SELECT 1", False),
        ("-- SELECT 1", False),
        ("/* SELECT", False),
        ("selects", False),
        ("", False),
    ],
)
def test_what_begins_as_no_statement_is_not_sent(text: str, expected: bool) -> None:
    assert is_statement(text) is expected
