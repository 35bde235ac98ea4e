"""Operations of the matrix, through the public API, and the state that each needs before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import connection

from pg_timepart.constants import Outcome
from pg_timepart.errors import OperationDeferred, OperationFailed
from proof.locks import tables
from proof.locks.tables import Table, execute, exists
from tests.support.table_setup import leave_a_detach_pending, old_partition, run_pass

RECORDS_TRUNCATE = """
CREATE TRIGGER noted BEFORE TRUNCATE ON {} EXECUTE FUNCTION locks_note_statement()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation on any table."""

    title: str
    perform: Callable[[Any], object]
    """Does it to the model's table; its answer, if that is a report, says how it ended."""

    prepare: Callable[[Any], object] = lambda _model: None
    """Brings the old partition of a usual table into the state before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An operation on one table."""

    operation: Operation
    table: Table

    def __str__(self) -> str:
        return f"{self.operation.title}, {self.table.title}"

    def prepare(self) -> None:
        """Make the table anew, in the state before the operation."""
        self.table.prepare()
        self.operation.prepare(self.table.model)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationResult:
    """How an operation ended, and why."""

    outcome: str
    reason: str = ""


def perform(case: Case) -> OperationResult:
    """Do it and return how it ended."""
    try:
        answer: Any = case.operation.perform(case.table.model)
    except (OperationDeferred, OperationFailed) as error:
        outcome = Outcome.DEFERRED if isinstance(error, OperationDeferred) else Outcome.FAILED
        return OperationResult(outcome=outcome.value, reason=str(error))
    outcome = getattr(answer, "outcome", Outcome.DONE)
    return OperationResult(outcome=outcome.value, reason=getattr(answer, "reason", ""))


def archive() -> str:
    """Return the name of the second tablespace that the tests make."""
    return f"locks_of_{connection.settings_dict['NAME']}"


def _detach(model: Any) -> object:
    return old_partition(model).detach()


def _detach_and_spoil(model: Any) -> None:
    leaf = old_partition(model)
    leaf.detach()
    execute(f"DROP INDEX {leaf.table_name}_value_idx")


def _detach_plainly(model: Any) -> object:
    return model.partitioning.detach_partition(old_partition(model), concurrently=False)


def _move(model: Any) -> object:
    return old_partition(model).set_tablespace(archive())


def _leave_pending(model: Any) -> None:
    """Beside a default partition none can begin; but one can be attached once it has begun."""
    table = model._meta.db_table
    rest = f"{table}_rest"
    has_rest = exists(rest, " AND relispartition")
    if has_rest:
        execute(f"ALTER TABLE {table} DETACH PARTITION {rest}")
    leave_a_detach_pending(model)
    if has_rest:
        execute(f"ALTER TABLE {table} ATTACH PARTITION {rest} DEFAULT")


def _note_truncate(model: Any) -> None:
    execute(RECORDS_TRUNCATE.format(old_partition(model).table_name))


CREATE = Operation(title="create", perform=lambda model: model.partitioning.create_partition(0))
DETACH = Operation(title="detach", perform=_detach)
DETACH_PLAINLY = Operation(title="detach, not concurrently", perform=_detach_plainly)
FINALIZE = Operation(title="finalize", prepare=_leave_pending, perform=run_pass)
ATTACH = Operation(
    title="attach", prepare=_detach, perform=lambda model: old_partition(model).attach()
)
REBUILD = Operation(
    title="attach, an index to build",
    prepare=_detach_and_spoil,
    perform=lambda model: old_partition(model).attach(),
)
CALL_OFF = Operation(
    title="attach, its detach pending",
    prepare=_leave_pending,
    perform=lambda model: old_partition(model).attach(),
)
MOVE = Operation(title="move, attached", perform=_move)
MOVE_DETACHED = Operation(title="move, detached", prepare=_detach, perform=_move)
DROP = Operation(title="drop", prepare=_detach, perform=lambda model: old_partition(model).delete())
TRUNCATE = Operation(
    title="truncate",
    prepare=_note_truncate,
    perform=lambda model: model.partitioning.truncate_partition(old_partition(model)),
)

_ANY = (tables.PLAIN, tables.REFERRING)
_REST = (tables.WITH_REST, tables.REFERRING_WITH_REST)
_BIG_REST = (tables.WITH_BIG_REST, tables.REFERRING_WITH_BIG_REST)
_REFERRED = (tables.REFERRED,)
_REFERRED_WITH_REST = (tables.REFERRED_WITH_REST,)

CASES = tuple(
    Case(operation=operation, table=table)
    for operation, where in (
        (CREATE, (*_ANY, *_REST, *_BIG_REST, *_REFERRED, *_REFERRED_WITH_REST)),
        (DETACH, (*_ANY, *_REST, *_REFERRED, *_REFERRED_WITH_REST)),
        (DETACH_PLAINLY, (*_ANY, *_REFERRED)),
        (FINALIZE, (*_ANY, *_REST, *_REFERRED)),
        (ATTACH, (*_ANY, *_REST, *_BIG_REST, *_REFERRED, *_REFERRED_WITH_REST)),
        (REBUILD, _ANY),
        (CALL_OFF, (*_ANY, *_REST, *_REFERRED)),
        (MOVE, (*_ANY, *_REST, *_REFERRED)),
        (MOVE_DETACHED, _ANY),
        (DROP, (*_ANY, *_REST, *_REFERRED)),
        (TRUNCATE, (*_ANY, *_REST)),
    )
    for table in where
)
