"""The buttons of a config's page, and the form behind them, from the registry of operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from pg_timepart.admin import permissions
from pg_timepart.maintenance.operation_registry import operations
from pg_timepart.maintenance.operation_registry.operation import Operation
from pg_timepart.models import PartitionConfig
from pg_timepart.status import PartitionStatus

NAMED_AT_MOST = 3
"""How many partitions a message names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """An operation as the page offers it."""

    operation: Operation
    form: forms.Form
    """The fields beside the button."""

    @property
    def is_dangerous(self) -> bool:
        """Whether the button is red: the operation must be confirmed."""
        return self.operation.confirmation is not None


def buttons(config: PartitionConfig, request: HttpRequest) -> list[Button]:
    """Return the buttons that the user may press."""
    return [
        Button(operation=each, form=_fields(each, config))
        for each in operations()
        if permissions.may(request, each.permission)
    ]


def may_do_anything(request: HttpRequest) -> bool:
    """Return whether the user may run any operation."""
    return any(permissions.may(request, each.permission) for each in operations())


def key_of(partition: PartitionStatus) -> str:
    """Return the key of a partition on a page: name and OID, which no other table shares."""
    return f"{partition.oid}:{partition.address}"


class PartitionsField(forms.MultipleChoiceField):
    """Partitions by their keys; a key whose name belongs to another table by now is refused."""

    default_error_messages = {
        "replaced": "%(name)s is another table by now than the one that was shown: look again."
    }

    def validate(self, value: list[str]) -> None:
        """Refuse a key whose OID is gone, and say so where another table has its name."""
        known = {each for each, _ in self.choices}  # type: ignore[union-attr,misc]
        for name in (each.partition(":")[2] for each in value if each not in known):
            if name in known:
                raise ValidationError(
                    self.error_messages["replaced"], code="replaced", params={"name": name}
                )
        super().validate(value)


class OperationForm(forms.Form):
    """One operation with its partitions and fields, checked against the table."""

    operation = forms.ChoiceField()
    partitions = PartitionsField(required=False)
    typed = forms.CharField(required=False)

    def __init__(
        self, data: Any, *, config: PartitionConfig, partitions: Sequence[PartitionStatus]
    ) -> None:
        super().__init__(data)
        self._label = str(config)
        keys = {key_of(each): each for each in partitions}
        self._partitions = {each.address: each for each in partitions} | keys
        self._operations = {each.name: each for each in operations()}
        self._choose("operation", list(self._operations))
        self._choose("partitions", list(self._partitions))
        asked_for = self._operations.get(data.get("operation", ""))
        if asked_for is not None:
            self.fields.update(_fields(asked_for, config).fields)

    @property
    def asked_for(self) -> Operation:
        """The operation; to be asked for once the form is valid."""
        return self._operations[self.cleaned_data["operation"]]

    @property
    def chosen(self) -> list[PartitionStatus]:
        """The partitions that were selected; to be asked for once the form is valid."""
        return [self._partitions[each] for each in self.cleaned_data["partitions"]]

    @property
    def message(self) -> list[Any]:
        """The arguments of the task: of partitions, exactly the tables that were on the page."""
        shown = [{"name": each.address, "oid": each.oid} for each in self.chosen]
        return self.asked_for.message(self._label, shown, self.cleaned_data)

    @property
    def phrase(self) -> str:
        """What must be typed to confirm the operation."""
        if len(self.chosen) == 1:
            return self.chosen[0].address
        count = len(self.chosen)
        return f"{self.asked_for.name} {count} of {self._label}" if count else self._label

    @property
    def is_confirmed(self) -> bool:
        """Whether the same partitions were confirmed, by OID, and the phrase was typed."""
        is_shown = self.cleaned_data["partitions"] == [key_of(each) for each in self.chosen]
        return is_shown and not self.is_mistyped and bool(self.cleaned_data["typed"])

    @property
    def is_mistyped(self) -> bool:
        """Whether something else than the phrase was typed."""
        typed: str = self.cleaned_data["typed"]
        return bool(typed) and typed != self.phrase

    @property
    def started(self) -> str:
        """The operation and its partitions, such as ``detaching a, b, c and 3 more``."""
        return in_words(self.asked_for, self.chosen if self.asked_for.selection else ())

    def clean(self) -> dict[str, Any]:
        """Check the states of the partitions."""
        facts = super().clean() or self.cleaned_data
        if not self.errors and self.asked_for.selection is not None:
            self._check_states(self.asked_for)
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


def in_words(operation: Operation, chosen: Sequence[PartitionStatus]) -> str:
    """Return an operation and its partitions, such as ``detaching a, b, c and 3 more``."""
    if not chosen:
        return operation.gerund
    names = ", ".join(each.address for each in chosen[:NAMED_AT_MOST])
    unnamed = len(chosen) - NAMED_AT_MOST
    return f"{operation.gerund} {names}{f' and {unnamed} more' if unnamed > 0 else ''}"


def _fields(operation: Operation, config: PartitionConfig) -> forms.Form:
    """Return a form with the fields of one operation alone."""
    form = forms.Form(auto_id="timepart-%s", label_suffix="", use_required_attribute=False)
    form.fields.update({each.name: each.make(config) for each in operation.form_fields})
    return form
