"""Models of each kind of key, partitioned and plain, and how to make rows of a moment."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import models

from pg_timepart import Snowflake, TimeRangePartitioningSupport, uuid7
from pg_timepart.constants import PeriodType
from pg_timepart.partitions.key_formats.base import KeyFormat

EPOCH = datetime(2015, 1, 1, tzinfo=UTC)
VERSION_7 = (7 << 76) | (2 << 62)
"""The bits of a UUID that say its version and its variant."""

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of key, with a partitioned model and the plain one that it is compared with."""

    name: str
    partitioned: Any
    plain: Any
    key_of: Callable[[datetime], dict[str, Any]]
    """The fields of a new row of a moment that hold the key and the primary key."""


def _model(name: str, fields: dict[str, Any], key: str, key_format: Any, partitioned: bool) -> Any:
    """Return a model with a text and a payload beside the fields of its key."""
    made = type(
        name,
        (models.Model,),
        {
            "__module__": __name__,
            **{field: make() for field, make in fields.items()},
            "kind": models.CharField(max_length=30, default="reading"),
            "payload": models.TextField(default="x" * 100),
            "Meta": type("Meta", (), {"app_label": "bench"}),
        },
    )
    if not partitioned:
        return made
    # Left out of the schedule, so that a pass over all tables is one over the idle ones alone.
    support = TimeRangePartitioningSupport(
        key, key_format=key_format, default_period=PeriodType.Day, default_enabled=False
    )
    return support(made)


def _kind(
    name: str,
    fields: dict[str, Any],
    key_of: Callable[[datetime], dict[str, Any]],
    key_format: KeyFormat | str | None = None,
) -> Kind:
    key = next(iter(fields))
    title = name.title().replace("_", "")
    return Kind(
        name=name,
        partitioned=_model(f"{title}Reading", fields, key, key_format, partitioned=True),
        plain=_model(f"{title}Plain", fields, key, key_format, partitioned=False),
        key_of=key_of,
    )


def _milliseconds(moment: datetime, epoch: datetime) -> int:
    return int((moment - epoch).total_seconds() * 1000)


def _uuid7_of(moment: datetime) -> UUID:
    since = _milliseconds(moment, datetime(1970, 1, 1, tzinfo=UTC))
    return UUID(int=(since << 80) | VERSION_7 | (uuid4().int & ((1 << 62) - 1)))


def _epoch_ms_of(moment: datetime) -> int:
    """Return a number that no other row has: one millisecond later for each."""
    return _milliseconds(moment, datetime(1970, 1, 1, tzinfo=UTC)) + next(_numbers) % 3_600_000


def _snowflake_of(moment: datetime) -> int:
    return (_milliseconds(moment, EPOCH) << 22) + next(_numbers) % (1 << 22)


def _big_key() -> models.BigIntegerField[Any, Any]:
    return models.BigIntegerField(primary_key=True, default=lambda: 0)


KINDS = (
    _kind(
        "timestamp",
        {"timestamp": lambda: models.DateTimeField(db_index=True)},
        lambda moment: {"timestamp": moment},
    ),
    _kind(
        "uuid7",
        {"id": lambda: models.UUIDField(primary_key=True, default=uuid7)},
        lambda moment: {"id": _uuid7_of(moment)},
        "uuid7",
    ),
    _kind("epoch_ms", {"id": _big_key}, lambda moment: {"id": _epoch_ms_of(moment)}, "epoch_ms"),
    _kind(
        "snowflake",
        {"id": _big_key},
        lambda moment: {"id": _snowflake_of(moment)},
        Snowflake(epoch=EPOCH, shift=22),
    ),
)
"""The kinds of keys that are measured."""
