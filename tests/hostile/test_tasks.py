"""Tasks with whatever a message can carry: a sentence, or a result; never anything half done."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery import Task
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pg_timepart import tasks
from pg_timepart.errors import TimepartError, UnknownName
from pg_timepart.models import PartitionRun
from pg_timepart.partitions.planner import MAX_DAYS
from tests.hostile.tables_to_protect import OFF, ON, SHIP, rows
from tests.hostile.values import LABELS, MOMENTS, json_values
from tests.support.celery_messages import CeleryInMemory

pytest_plugins = ("tests.hostile.fixtures",)
pytestmark = pytest.mark.usefixtures("two_partitions")

EACH: tuple[Any, ...] = (
    tasks.maintain,
    tasks.create_partitions,
    tasks.detach_partitions,
    tasks.attach_partitions,
    tasks.set_tablespace,
    tasks.drop_partitions,
    tasks.reconcile,
)

hostile_lists = st.lists(st.one_of(json_values, st.sampled_from((ON, OFF))), max_size=3)


def send(task: Task[Any, Any], *arguments: Any) -> Any:
    """Run the task as a worker does that got these arguments in a message; return its result."""
    carried = json.loads(json.dumps(arguments))
    return task.apply(args=carried)


def assert_refused(result: Any) -> None:
    """The task ended with a sentence: raised, or in the report of a run that failed."""
    if result.state == "SUCCESS":
        assert result.result["outcome"] == "failed", result.result
        sentence = result.result["message"]
    else:
        assert isinstance(result.result, TimepartError), repr(result.result)
        sentence = str(result.result)
    assert sentence.endswith(".")


@pytest.mark.parametrize("task", EACH, ids=lambda each: each.name)
@settings(settings.get_profile("hostile"))
@given(label=st.one_of(json_values, st.sampled_from(LABELS)))
def test_labels_of_any_kind(task: Task[Any, Any], label: Any) -> None:
    rest: dict[str, list[Any]] = {
        tasks.set_tablespace.name: [[ON], "pg_default"],
        tasks.drop_partitions.name: [[OFF]],
    }
    assert_refused(send(task, label, *rest.get(task.name, [])))


UNKEPT = ("\x00", "\ud800", "x" * 300, ["\x00"])
"""Labels that no column of ours can have."""


@pytest.mark.parametrize("label", UNKEPT, ids=["nul", "surrogate", "long", "list"])
def test_a_label_that_no_row_can_have_is_named_or_recorded(
    label: Any, celery_in_memory: CeleryInMemory
) -> None:
    with pytest.raises(UnknownName, match="no partitioned model named"):
        celery_in_memory.run("maintain", label)
    result = celery_in_memory.run("maintain", label, request={"periodic_task_name": "nightly"})
    run = PartitionRun.objects.latest("pk")
    run.delete()
    assert (run.outcome, run.started_by) == ("failed", "beat: nightly")
    assert result["outcome"] == "failed"


@settings(settings.get_profile("hostile"))
@given(names=st.one_of(json_values, hostile_lists), pin=st.none() | st.sampled_from(MOMENTS))
def test_partitions_of_any_kind(names: Any, pin: Any) -> None:
    before = rows()
    for task, more in (
        (tasks.detach_partitions, ()),
        (tasks.attach_partitions, (pin,)),
        (tasks.set_tablespace, ("pg_default",)),
    ):
        if names is not None and not is_known(names):
            assert_refused(send(task, SHIP, names, *more))
    if not is_known(names):
        assert_refused(send(tasks.drop_partitions, SHIP, names))
    assert rows() == before


@settings(settings.get_profile("hostile"))
@given(place=json_values)
def test_tablespaces_of_any_kind(place: Any) -> None:
    assert_refused(send(tasks.set_tablespace, SHIP, [OFF], place))


@settings(settings.get_profile("hostile"))
@given(pin=st.one_of(json_values, st.sampled_from(MOMENTS)).filter(lambda each: each is not None))
def test_pins_of_any_kind(pin: Any) -> None:
    before = rows()
    assert_refused(send(tasks.attach_partitions, SHIP, [OFF], pin))
    assert rows() == before


@settings(settings.get_profile("hostile"))
@given(days=json_values.filter(lambda each: each is not None and not is_days(each)))
def test_days_of_any_kind(days: Any) -> None:
    assert_refused(send(tasks.create_partitions, SHIP, days))


@settings(settings.get_profile("hostile"))
@given(
    start=st.one_of(json_values, st.sampled_from(MOMENTS)),
    end=st.one_of(json_values, st.sampled_from((*MOMENTS, "2024-01-01"))),
)
def test_ranges_of_any_kind(start: Any, end: Any) -> None:
    assume((start, end) != (None, None))
    before = rows()
    assert_refused(send(tasks.create_partitions, SHIP, None, start, end))
    assert rows() == before


def is_days(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_DAYS


def is_known(names: Any) -> bool:
    return isinstance(names, list) and all(each in (ON, OFF) for each in names)
