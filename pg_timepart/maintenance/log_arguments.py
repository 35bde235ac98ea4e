"""Partition logs as arguments: one or an iterable of them, checked, and refreshed afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from django.db import models

from pg_timepart.errors import (
    InvalidPolicy,
    OperationDeferred,
    OperationFailed,
    Refused,
    UnknownName,
)
from pg_timepart.maintenance.target import Target
from pg_timepart.models import PartitionLog
from pg_timepart.models.database import rows_alias

Logs = PartitionLog | Iterable[PartitionLog]


def either(logs: Logs | None, partition_log: Logs | None) -> Logs | None:
    """Return the value of the keyword that was given; raises InvalidPolicy where both were."""
    if logs is not None and partition_log is not None:
        raise InvalidPolicy("logs and partition_log are the same argument: give one of them.")
    return partition_log if logs is None else logs


def listed(model: type[models.Model], logs: Logs | None) -> list[PartitionLog]:
    """Return the logs that were given; an iterable is read once.

    Raises InvalidPolicy where the argument is neither a PartitionLog nor an iterable of them.
    """
    rows = _each(model, logs)
    for each in rows:
        if not isinstance(each, PartitionLog):
            raise _no_row(model, each)
    return rows


@contextmanager
def read_anew(rows: Sequence[PartitionLog]) -> Iterator[None]:
    """Run an operation on the logs and refresh each, however the operation ended.

    A log that is gone by then stays as it was.
    """
    try:
        yield
    except (OperationDeferred, OperationFailed):
        _refresh(rows)
        raise
    _refresh(rows)


def names_by_oid(target: Target, logs: Sequence[PartitionLog]) -> dict[int, str]:
    """Return the table names of these logs by OID.

    Raises UnknownName for logs of another model, and Refused for logs of another database.
    """
    _refuse_elsewhere(target, logs)
    strangers = [each.table_name for each in logs if each.config_id != target.config.pk]
    if strangers:
        known = [each.table_name for each in target.logs()]
        raise UnknownName(f"partition of {target.label}", strangers[0], known)
    return {each.relid: each.table_name for each in logs}


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


def _refuse_elsewhere(target: Target, logs: Sequence[PartitionLog]) -> None:
    """Raise Refused for a log that is about a table in another database than the target's."""
    for each in logs:
        if not target.keeps_logs:
            raise Refused(
                f"{each.table_name} was given by its log, which is about a table of {target.label}"
                f" in another database: partitions in {target.alias!r} have no logs. Leave"
                " db_manager() out."
            )
        if each._state.db not in {None, target.config._state.db} and not _is_known(target, each):
            raise Refused(
                f"The row of {each.table_name} was read from the database {each._state.db!r}, and"
                f" those that count are in {target.config._state.db!r}: read it there."
            )


def _is_known(target: Target, log: PartitionLog) -> bool:
    """Whether a log that was read from another alias, such as a replica, is there too."""
    said = ("pk", "relid", "schema_name", "table_name")
    return target.config.logs.filter(**{name: getattr(log, name) for name in said}).exists()
