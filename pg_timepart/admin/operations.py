"""What can be done to one table by a button: which task it sends, for which partitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from celery import Task
from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from pg_timepart import conf, tasks
from pg_timepart.admin import permissions
from pg_timepart.constants import State
from pg_timepart.errors import InvalidPolicy
from pg_timepart.partitions.planner import MAX_DAYS
from pg_timepart.partitions.time_zones import representable
from pg_timepart.status import PartitionStatus

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One button."""

    task: Task[Any, Any]
    words: str
    """What it does, for the message: ``detaching 2 partitions``."""

    is_allowed: Callable[[HttpRequest], bool] = permissions.may_operate
    states: frozenset[State] = frozenset()
    """Which partitions it takes; empty if it works on the table as a whole."""

    arguments: Callable[[Facts], Sequence[Any]] = lambda _facts: ()
    """What the task gets after the label."""


def _shown(facts: Facts) -> list[dict[str, Any]]:
    """Return the partitions as a message has them: just the tables that were on the page."""
    return [{"name": each.address, "oid": each.oid} for each in facts["chosen"]]


def _attach(facts: Facts) -> Sequence[Any]:
    pin: datetime | None = facts["pinned_until"]
    return (_shown(facts), pin.isoformat() if pin else None)


OPERATIONS = {
    "maintain": Operation(task=tasks.maintain, words="a pass"),
    "reconcile": Operation(task=tasks.reconcile, words="a comparison with the catalog"),
    "create": Operation(
        task=tasks.create_partitions,
        words="creating partitions",
        arguments=lambda facts: (facts["days"],),
    ),
    "detach": Operation(
        task=tasks.detach_partitions,
        words="detaching",
        states=frozenset({State.ATTACHED, State.PENDING}),
        arguments=lambda facts: (_shown(facts),),
    ),
    "attach": Operation(
        task=tasks.attach_partitions,
        words="attaching",
        states=frozenset({State.DETACHED}),
        arguments=_attach,
    ),
    "move": Operation(
        task=tasks.set_tablespace,
        words="moving",
        states=frozenset({State.ATTACHED, State.DETACHED}),
        arguments=lambda facts: (_shown(facts), facts["tablespace"]),
    ),
    "drop": Operation(
        task=tasks.drop_partitions,
        words="dropping",
        is_allowed=permissions.may_drop,
        states=frozenset({State.DETACHED}),
        arguments=lambda facts: (_shown(facts),),
    ),
}


def key_of(partition: PartitionStatus) -> str:
    """Return how a page names a partition: no other table can have it, also under that name."""
    return f"{partition.oid}:{partition.address}"


class PartitionsField(forms.MultipleChoiceField):
    """Partitions by their keys; one whose name is another table's by now is refused."""

    default_error_messages = {
        "replaced": "%(name)s is another table by now than the one that was shown: look again."
    }

    def validate(self, value: list[str]) -> None:
        """Say of a key that is there no more whether its name is."""
        known = {each for each, _ in self.choices}  # type: ignore[union-attr,misc]
        for name in (each.partition(":")[2] for each in value if each not in known):
            if name in known:
                raise ValidationError(
                    self.error_messages["replaced"], code="replaced", params={"name": name}
                )
        super().validate(value)


class OperationForm(forms.Form):
    """What was asked for, checked against what there is."""

    operation = forms.ChoiceField(choices=[(name, name) for name in OPERATIONS])
    partitions = PartitionsField(required=False)
    days = forms.IntegerField(min_value=0, max_value=MAX_DAYS, required=False)
    pinned_until = forms.DateTimeField(required=False)
    tablespace = forms.ChoiceField(required=False)
    typed = forms.CharField(required=False)

    def __init__(
        self,
        data: Any,
        *,
        label: str,
        partitions: Sequence[PartitionStatus],
        tablespaces: Sequence[str],
    ) -> None:
        super().__init__(data)
        self._label = label
        keys = {key_of(each): each for each in partitions}
        self._partitions = {each.address: each for each in partitions} | keys
        self._choose("partitions", list(self._partitions))
        self._choose("tablespace", tablespaces)

    @property
    def chosen(self) -> list[PartitionStatus]:
        """The partitions that were selected; to be asked for once the form is valid."""
        return [self._partitions[each] for each in self.cleaned_data["partitions"]]

    @property
    def is_confirmed(self) -> bool:
        """Whether what would be dropped was shown, by OID, and its phrase typed."""
        is_shown = self.cleaned_data["partitions"] == [key_of(each) for each in self.chosen]
        return is_shown and not self.is_mistyped and bool(self.cleaned_data["typed"])

    @property
    def is_mistyped(self) -> bool:
        """Whether something was typed, and not the phrase."""
        typed: str = self.cleaned_data["typed"]
        return bool(typed) and typed != phrase_for(self._label, self.chosen)

    def clean_pinned_until(self) -> datetime | None:
        """Refuse a moment that could not be read again."""
        moment: datetime | None = self.cleaned_data["pinned_until"]
        try:
            return moment and representable("The moment", moment, conf.zone())
        except InvalidPolicy as error:
            raise ValidationError(str(error)) from error

    def clean(self) -> Facts:
        """Check what the operation needs."""
        facts = super().clean() or self.cleaned_data
        operation = OPERATIONS.get(facts.get("operation", ""))
        if operation is None or self.errors:
            return facts
        if operation.states:
            self._check_states(operation)
            facts["chosen"] = self.chosen
        if facts["operation"] == "create" and facts["days"] is None:
            self.add_error("days", "Say for how many days ahead.")
        if facts["operation"] == "move" and not facts["tablespace"]:
            self.add_error("tablespace", "Choose one.")
        return facts

    def _check_states(self, operation: Operation) -> None:
        if not self.chosen:
            raise ValidationError("Select at least one partition.")
        wrong = [each for each in self.chosen if each.state not in operation.states]
        if wrong:
            known = " or ".join(sorted(operation.states))
            names = ", ".join(f"{each.address} is {each.state}" for each in wrong)
            raise ValidationError(f"Only {known} partitions can be chosen for this: {names}.")

    def _choose(self, name: str, known: Sequence[str]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101
        field.choices = [(each, each) for each in known]


def phrase_for(label: str, chosen: Sequence[PartitionStatus]) -> str:
    """Return what must be typed before these are dropped."""
    return chosen[0].address if len(chosen) == 1 else f"drop {len(chosen)} of {label}"


def in_words(name: str, chosen: Sequence[PartitionStatus]) -> str:
    """Return what was started, such as ``detaching a, b and 3 more``."""
    operation = OPERATIONS[name]
    if not chosen:
        return operation.words
    names = ", ".join(each.address for each in chosen[:3])
    more = f" and {len(chosen) - 3} more" if len(chosen) > 3 else ""  # noqa: PLR2004
    return f"{operation.words} {names}{more}"
