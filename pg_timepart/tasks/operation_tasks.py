"""The tasks of the registered operations, by the operations' names."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from pg_timepart.beat.config_entries import TASK_PREFIX
from pg_timepart.maintenance.operation_registry import for_each
from pg_timepart.maintenance.operation_registry.operation import Operation
from pg_timepart.tasks.base import BaseTask, Result, TimepartTask

_tasks: dict[str, BaseTask] = {}


def task_of(name: str) -> BaseTask:
    """Return the task of the operation of this name; raises KeyError."""
    return _tasks[name]


def _make(operation: Operation) -> None:
    """Make the task of an operation, with the signature that its arguments give."""
    signature = operation.task_signature

    def operate(self: TimepartTask, /, *args: Any, **kwargs: Any) -> Result:
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        return self.operate(operation, bound.arguments["model_label"], bound.arguments)

    operate.__name__ = operate.__qualname__ = operation.task
    operate.__doc__ = operation.docstring
    setattr(operate, "__signature__", signature)  # noqa: B010 - a function has none to mypy
    name = f"{TASK_PREFIX}{operation.task}"
    _tasks[operation.name] = shared_task(name=name, base=TimepartTask, bind=True)(operate)


for_each(_make)
