"""An operation: what it does to a table, its arguments, and who may run it.

The task, the sub-command of ``manage.py timepart``, the method of ``Model.partitioning`` and the
admin's button are made from this description; none of them knows one operation from another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import Parameter, Signature
from typing import Any

from django import forms

from pg_timepart.constants import State
from pg_timepart.maintenance.history import Origin
from pg_timepart.maintenance.report import Report
from pg_timepart.maintenance.target import Target
from pg_timepart.models import PartitionConfig

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """An option of the command line."""

    names: tuple[str, ...]
    help: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """What else ``ArgumentParser.add_argument`` takes: ``type``, ``metavar``, ``action``, ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """A field of the form behind the admin's button."""

    name: str
    """Its name in the form, which no field of another operation may have: all share a page."""

    make: Callable[[PartitionConfig], forms.Field]
    """Returns the field for the page of a config, with its label, choices and error messages."""


def as_sentence(summary: str) -> str:
    """Return a summary, which is in lower case and without a full stop, as a sentence."""
    return f"{summary[0].upper()}{summary[1:]}."


def _same(value: Any) -> Any:
    return value


def _unchecked(_target: Target, value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """An argument of an operation, besides the model and the partitions."""

    name: str
    """The keyword that ``run`` and the task take it by."""

    flag: Flag | None = None
    """None where the command line does not take it."""

    form_field: FormField | None = None
    """None where the admin does not ask for it."""

    is_in_task: bool = True
    """Whether the task takes it, after the label, the partitions and the arguments before it."""

    is_required: bool = False
    from_json: Callable[[Any], Any] = _same
    """Reads what the task's message carries; raises InvalidPolicy. Not called for an absent one."""

    to_json: Callable[[Any], Any] = _same
    """Returns what the message carries for a value of the form."""

    check: Callable[[Target, Any], Any] = _unchecked
    """Returns the value if the target can take it; for tasks and the command line."""

    def checked(self, target: Target, value: Any) -> Any:
        """Return the value if the target can take it; an absent one is None."""
        return None if value is None and not self.is_required else self.check(target, value)

    def parsed(self, target: Target, value: Any) -> Any:
        """Return what a message means by ``value``, checked."""
        is_absent = value is None and not self.is_required
        return None if is_absent else self.check(target, self.from_json(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which partitions an operation takes."""

    states: frozenset[State]
    """The states in which the admin offers them."""

    without_names: Flag | None = None
    """The option that stands for naming none, where ``run`` takes None; else some are required."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What is shown and asked for before the command line or the admin runs an operation."""

    warning: str
    """What will happen to the tables that are listed, without a full stop."""

    participle: str
    """``dropped``: for "Nothing was dropped."."""

    refusal: str
    """Why a partition in another state is refused, after its name and state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyTables:
    """How an operation on whole tables is run on several at once."""

    list_action: str
    """Its words among the actions of the admin's list."""

    run_all: Callable[[Origin], list[Report]] | None = None
    """Runs it on every enabled table; None where it is run on each decorated model in turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing that can be done to a partitioned table."""

    name: str
    """The word of the command line, of the admin's form and of records: ``detach``."""

    task: str
    """The task's name after ``pg_timepart.``: ``detach_partitions``."""

    method: str = ""
    """Its method of ``Model.partitioning``; empty where there is none."""

    summary: str
    """What it does, in lower case and without a full stop: for ``--help`` and docstrings."""

    details: str = ""
    """What ``timepart NAME --help`` says at its end."""

    gerund: str
    """``detaching``: for the admin's message that it was sent, before the partitions' names."""

    button: str
    hint: str = ""
    """What the admin says beside the button."""

    run: Callable[..., Report]
    """``run(target, *, origin, ...)``; with a selection ``run(target, logs, *, origin, ...)``.

    Raises OperationDeferred or OperationFailed with the report.
    """

    arguments: tuple[Argument, ...] = ()
    selection: Selection | None = None
    """None where it works on the table as a whole."""

    many: ManyTables | None = None
    """How it is run on several tables; None where it takes one."""

    permission: str = "operate"
    """The verb of the permission on configs that the admin asks for."""

    confirmation: Confirmation | None = None
    refuse: Callable[[Values], str] = lambda _values: ""
    """Says what is wrong with options of the command line that do not go together, or nothing."""

    removes_tables: bool = False
    """Whether what is gone counts as done where its task is delivered again."""

    unknown_model: Callable[[object, Origin], Report | None] = lambda _label, _origin: None
    """Returns what its task reports of a label that no decorated model has; None: UnknownName."""

    also: Callable[[], dict[str, Any]] = dict
    """What its task does besides, once the run has ended; returns what is added to its result."""

    def __post_init__(self) -> None:
        """Raise ValueError for a confirmation where nobody would be asked."""
        if self.many is not None and self.confirmation is not None:
            raise ValueError(f"{self.name}: what runs on many tables at once cannot ask back.")

    @property
    def states(self) -> frozenset[State]:
        """The states of partitions that it takes; none where it works on the table as a whole."""
        return frozenset() if self.selection is None else self.selection.states

    @property
    def docstring(self) -> str:
        """The summary as a sentence."""
        return as_sentence(self.summary)

    @property
    def task_arguments(self) -> tuple[Argument, ...]:
        """The arguments that the task takes, in order."""
        return tuple(each for each in self.arguments if each.is_in_task)

    @property
    def form_fields(self) -> tuple[FormField, ...]:
        """What the admin asks for besides the partitions."""
        found = (each.form_field for each in self.arguments)
        return tuple(each for each in found if each is not None)

    @property
    def task_signature(self) -> Signature:
        """The signature of the task, which is bound to its class."""
        names = {"self": True, "model_label": True}
        if self.selection is not None:
            names["partitions"] = self.selection.without_names is None
        names |= {each.name: each.is_required for each in self.task_arguments}
        return Signature(
            [
                Parameter(
                    name,
                    Parameter.POSITIONAL_OR_KEYWORD,
                    default=Parameter.empty if is_required else None,
                )
                for name, is_required in names.items()
            ]
        )

    def message(self, label: str, partitions: Sequence[Any], fields: Values) -> list[Any]:
        """Return the arguments of the task for what a form of the admin has."""
        arguments = list(self.task_arguments)
        while arguments and arguments[-1].form_field is None:
            arguments.pop()
        chosen = [list(partitions)] if self.selection is not None else []
        return [label, *chosen, *(_value(each, fields) for each in arguments)]


def _value(argument: Argument, fields: Values) -> Any:
    value = fields.get(argument.form_field.name) if argument.form_field is not None else None
    return None if value is None else argument.to_json(value)
