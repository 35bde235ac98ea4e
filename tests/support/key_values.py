"""Values of partition keys, by arithmetic of their own, so that a wrong key format shows."""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from typing import Any
from uuid import UUID

from django.db import models

from tests.apps.foundry.models import PULSE_EPOCH, PULSE_SHIFT

_UNIX_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)


class KeyValues(ABC):
    """What the rows of a table have as key, and what bounds say."""

    @abstractmethod
    def at(self, moment: dt.datetime, number: int) -> Any:
        """Return the key of a row of this moment; ``number`` tells rows of one moment apart."""

    @abstractmethod
    def literal(self, moment: dt.datetime) -> str:
        """Return the smallest value of this moment, without quotes: a bound."""

    @abstractmethod
    def moment(self, literal: str) -> dt.datetime:
        """Return the moment of a bound, without quotes."""


class Times(KeyValues):
    """Columns that say a time or a date; a date is its midnight in UTC."""

    def at(self, moment: dt.datetime, number: int) -> Any:
        return moment

    def literal(self, moment: dt.datetime) -> str:
        return moment.isoformat()

    def moment(self, literal: str) -> dt.datetime:
        moment = dt.datetime.fromisoformat(literal)
        return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


class Days(Times):
    """Columns that say a date."""

    def at(self, moment: dt.datetime, number: int) -> Any:
        return moment.date()


class Uuids(KeyValues):
    """UUIDs of the version 7."""

    def at(self, moment: dt.datetime, number: int) -> Any:
        return UUID(f"{_milliseconds(moment):012x}70008000{number:012x}")

    def literal(self, moment: dt.datetime) -> str:
        return str(UUID(f"{_milliseconds(moment):012x}{0:020x}"))

    def moment(self, literal: str) -> dt.datetime:
        return _UNIX_EPOCH + int(literal.replace("-", "")[:12], 16) * _MILLISECOND


class Pulses(KeyValues):
    """Numbers of the pulses."""

    def at(self, moment: dt.datetime, number: int) -> Any:
        return (_milliseconds(moment, PULSE_EPOCH) << PULSE_SHIFT) + number

    def literal(self, moment: dt.datetime) -> str:
        return str(self.at(moment, 0))

    def moment(self, literal: str) -> dt.datetime:
        return PULSE_EPOCH + (int(literal) >> PULSE_SHIFT) * _MILLISECOND


_BY_COLUMN = {
    ("id", models.UUIDField): Uuids(),
    ("id", models.BigIntegerField): Pulses(),
    ("day", models.DateField): Days(),
    ("at", models.DateTimeField): Times(),
}
"""The keys of the plant's tables."""


def key_of(model: Any) -> str:
    """Return the name of the model's key, which is its column's too."""
    return str(model.partitioning.declaration.key)


def key_values_of(model: Any) -> KeyValues:
    """Return the values of the key of one of the plant's tables."""
    key = key_of(model)
    return _BY_COLUMN[key, type(model._meta.get_field(key))]


def key_at(model: Any, moment: dt.datetime, number: int) -> dict[str, Any]:
    """Return the key of a row of this moment, by the field's name."""
    return {key_of(model): key_values_of(model).at(moment, number)}


def _milliseconds(moment: dt.datetime, epoch: dt.datetime = _UNIX_EPOCH) -> int:
    return (moment - epoch) // _MILLISECOND
