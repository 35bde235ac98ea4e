"""Applying a plan, action by action: one that fails stops no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from django.db import DatabaseError

from pg_timepart.constants import ActionKind, Outcome
from pg_timepart.errors import Deferred, TimepartError, UnknownName
from pg_timepart.faults import is_passing_fault
from pg_timepart.maintenance.attaching import attach
from pg_timepart.maintenance.creating import create
from pg_timepart.maintenance.detaching import detach, finalize
from pg_timepart.maintenance.disposing import drop, move, truncate
from pg_timepart.maintenance.executing import Session, open_session
from pg_timepart.maintenance.reports import ActionResult
from pg_timepart.maintenance.work import Work
from pg_timepart.plans import Action

Performer = Callable[[Work, Action, Session], str]

PERFORMERS: dict[ActionKind, Performer] = {
    ActionKind.FINALIZE: finalize,
    ActionKind.CREATE: create,
    ActionKind.DETACH: detach,
    ActionKind.ATTACH: attach,
    ActionKind.MOVE: move,
    ActionKind.DROP: drop,
    ActionKind.TRUNCATE: truncate,
}


def apply(work: Work, actions: Iterable[Action]) -> Iterator[ActionResult]:
    """Do the actions in order and yield how each ended.

    What follows on the same partition after an action that did not happen is left out: a
    partition that could not be detached is not moved. Errors of the server and of this package
    end in a result; a lost connection, and a server that takes no writes, are raised.
    """
    for action in actions:
        if action.oid in work.stopped:
            continue
        result = _apply_one(work, action)
        yield result
        if action.oid is not None and result.outcome in (Outcome.DEFERRED, Outcome.FAILED):
            work.stopped.add(action.oid)


def _apply_one(work: Work, action: Action) -> ActionResult:
    session, begun = open_session(work.target.connection, work.waited_seconds), time.monotonic()
    outcome, detail = _perform(work, action, session)
    work.waited_seconds += session.waiting.seconds
    return ActionResult(
        kind=action.kind,
        partition=session.made or action.partition,
        outcome=outcome,
        seconds=time.monotonic() - begun,
        waited_seconds=session.waiting.seconds,
        detail=detail,
        statements=tuple(session.statements),
    )


def _perform(work: Work, action: Action, session: Session) -> tuple[Outcome, str]:
    try:
        if not work.is_lock_held():
            raise Deferred("The connection that held the advisory lock was lost.")
        _refuse_unknown_tablespace(work, action)
        return Outcome.DONE, PERFORMERS[action.kind](work, action, session)
    except Deferred as error:
        _give_up(work, action)
        return Outcome.DEFERRED, str(error)
    except TimepartError as error:
        _give_up(work, action)
        return Outcome.FAILED, str(error)
    except DatabaseError as error:
        if is_passing_fault(error) or not work.target.connection.is_usable():
            raise
        _give_up(work, action)
        return Outcome.FAILED, _server_sentence(error)


def _refuse_unknown_tablespace(work: Work, action: Action) -> None:
    known, wanted = work.known_tablespaces, action.tablespace
    if (wanted or action.kind is ActionKind.MOVE) and wanted not in known:
        raise UnknownName("tablespace", str(wanted), sorted(known))


def _give_up(work: Work, action: Action) -> None:
    """Take back what begin() recorded, unless the operation is past the point of return.

    A detached partition that could not move yet stays so recorded, and a pending detach shows in
    the catalog: the next pass goes on with both.
    """
    row = work.row_of(action.oid)
    if row is None or row.unfinished != action.kind.value:
        return
    if action.kind is ActionKind.MOVE and not row.is_attached:
        return
    row.unfinished = ""
    row.save()


def _server_sentence(error: DatabaseError) -> str:
    """Return the server's message with its detail and hint, on one line."""
    diagnosis = getattr(error.__cause__, "diag", None)
    parts = (getattr(diagnosis, f"message_{part}", None) for part in ("primary", "detail", "hint"))
    return " ".join(str(part) for part in parts if part) or str(error)
