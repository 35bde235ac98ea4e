"""The registry of operations: what is promised of tasks and methods, and names that are taken."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import pytest

from pg_timepart import tasks
from pg_timepart.maintenance import operation_registry
from pg_timepart.maintenance.operation_registry.built_in import ATTACH, BUILT_IN, DROP, MAINTAIN
from pg_timepart.maintenance.operation_registry.operation import (
    Confirmation,
    ManyTables,
    Operation,
)
from pg_timepart.manager import TimeRangePartitioningManager

PROMISED = {
    "maintain": "(self, model_label)",
    "create_partitions": "(self, model_label, days=None, start=None, end=None)",
    "detach_partitions": "(self, model_label, partitions=None)",
    "attach_partitions": "(self, model_label, partitions=None, detach_time=None)",
    "set_tablespace": "(self, model_label, partitions, tablespace)",
    "drop_partitions": "(self, model_label, partitions)",
    "reconcile": "(self, model_label)",
}
"""Tasks and their arguments in order: programs send them, and messages are under way."""


def test_tasks_have_the_promised_arguments() -> None:
    assert {each.task: str(each.task_signature) for each in BUILT_IN} == PROMISED


@pytest.mark.parametrize("operation", BUILT_IN, ids=lambda each: each.name)
def test_the_task_of_an_operation_is_a_name_of_the_module(operation: Operation) -> None:
    task = getattr(tasks, operation.task)
    assert task.name == f"pg_timepart.{operation.task}"
    assert task.__doc__ == operation.docstring


@pytest.mark.parametrize(
    "operation", [each for each in BUILT_IN if each.method], ids=lambda each: each.name
)
def test_the_method_of_an_operation_is_written_out_with_its_arguments(
    operation: Operation,
) -> None:
    """So that they are typed; ``create`` has two methods, for its two ways to say how much."""
    method = inspect.signature(getattr(TimeRangePartitioningManager, operation.method))
    taken = set(method.parameters)
    if operation.selection is not None:
        assert {"logs", "partition_log"} <= taken
        assert {each.name for each in operation.arguments} <= taken


@pytest.mark.parametrize(
    "names",
    [
        {"name": "drop"},
        {"name": "status"},
        {"task": "drop_partitions"},
        {"method": "delete_partition"},
        {"arguments": ATTACH.arguments},
    ],
    ids=["a sub-command", "a word of the command line", "a task", "a method", "a form field"],
)
def test_an_operation_whose_names_are_taken_is_refused(names: dict[str, Any]) -> None:
    own = {"name": "own", "task": "own", "method": "own", **names}
    with pytest.raises(ValueError, match="taken already"):
        operation_registry.register(replace(DROP, **own))
    assert operation_registry.operations() == BUILT_IN


def test_what_runs_on_many_tables_cannot_ask_back() -> None:
    asks = Confirmation(warning="All will go", participle="gone", refusal="it stays")
    with pytest.raises(ValueError, match="cannot ask back"):
        replace(MAINTAIN, confirmation=asks, many=ManyTables(list_action="Go"))


def test_a_method_that_no_operation_has_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'shrink_partition'"):
        getattr(TimeRangePartitioningManager("sailed_at"), "shrink_partition")  # noqa: B009
