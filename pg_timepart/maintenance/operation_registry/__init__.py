"""The registry of operations: task, command, manager method and admin button are made from it."""

from __future__ import annotations

from collections.abc import Callable

from pg_timepart.maintenance.operation_registry.built_in import BUILT_IN
from pg_timepart.maintenance.operation_registry.operation import Operation

RESERVED_FIELDS = frozenset({"operation", "partitions", "typed"})
"""Fields of the form behind the admin's buttons that belong to no operation."""

RESERVED_NAMES = frozenset({"status", "plan"})
"""Words of the command line that run no operation."""

_operations: dict[str, Operation] = {}
_followers: list[Callable[[Operation], object]] = []


def register(operation: Operation) -> None:
    """Register an operation for tasks, command, manager and admin.

    Raises ValueError where a name of it is taken. Call it when Django has started, such as in
    ``ready()`` of an app: a worker knows the task only if it was registered there too.
    """
    taken = _names(operation) & {name for each in _operations.values() for name in _names(each)}
    taken |= {each.name for each in operation.form_fields} & RESERVED_FIELDS
    taken |= {operation.name} & RESERVED_NAMES
    if taken:
        raise ValueError(f"The operation {operation.name!r}: taken already: {sorted(taken)}.")
    _operations[operation.name] = operation
    for each in _followers:
        each(operation)


def unregister(name: str) -> None:
    """Remove the operation from command, manager and admin. Its task stays known to Celery."""
    del _operations[name]


def operations() -> tuple[Operation, ...]:
    """Return all operations, in the order in which they were registered."""
    return tuple(_operations.values())


def operation_named(name: str) -> Operation:
    """Return the operation of this name; raises KeyError."""
    return _operations[name]


def for_each(make: Callable[[Operation], object]) -> None:
    """Call ``make`` with every operation: those that are registered, and those that will be."""
    _followers.append(make)
    for each in operations():
        make(each)


def _names(operation: Operation) -> set[str]:
    fields = {f"field {each.name}" for each in operation.form_fields}
    method = {f"method {operation.method}"} if operation.method else set()
    return {operation.name, f"task {operation.task}", *method, *fields}


for _each in BUILT_IN:
    register(_each)
