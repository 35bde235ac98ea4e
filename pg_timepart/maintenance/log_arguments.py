"""Partitions as arguments: one row, or any iterable of rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from django.db import models

from pg_timepart.errors import InvalidPolicy, OperationDeferred, OperationFailed
from pg_timepart.models import PartitionLog
from pg_timepart.models.database import rows_alias

Logs = PartitionLog | Iterable[PartitionLog]


def either(logs: Logs | None, partition_log: Logs | None) -> Logs | None:
    """Return what was given by either keyword; raises InvalidPolicy where both were."""
    if logs is not None and partition_log is not None:
        raise InvalidPolicy("logs and partition_log are the same argument: give one of them.")
    return partition_log if logs is None else logs


def listed(model: type[models.Model], logs: Logs | None) -> list[PartitionLog]:
    """Return the rows that were given; an iterable is read once.

    Raises InvalidPolicy where what was given is neither a row nor rows.
    """
    rows = _each(model, logs)
    for each in rows:
        if not isinstance(each, PartitionLog):
            raise _no_row(model, each)
    return rows


@contextmanager
def read_anew(rows: Sequence[PartitionLog]) -> Iterator[None]:
    """Run an operation on the rows and refresh each, however the operation ended.

    One that is gone by then stays as it was.
    """
    try:
        yield
    except (OperationDeferred, OperationFailed):
        _refresh(rows)
        raise
    _refresh(rows)


def _each(model: type[models.Model], given: object) -> list[PartitionLog]:
    if isinstance(given, PartitionLog):
        return [given]
    if isinstance(given, str | bytes | type) or not isinstance(given, Iterable):
        raise _no_row(model, given)
    return list(given)


def _no_row(model: type[models.Model], given: object) -> InvalidPolicy:
    return InvalidPolicy(
        "A partition is given by its row, or several by an iterable of rows, such as"
        f" {model.__name__}.partitioning.config.logs.all(), not by {given!r}."
    )


def _refresh(rows: Sequence[PartitionLog]) -> None:
    for row in rows:
        with suppress(PartitionLog.DoesNotExist):
            row.refresh_from_db(using=rows_alias())
