"""Apply a plan action by action; one that fails stops no other."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import DatabaseError, InterfaceError

from pg_timepart.constants import Outcome
from pg_timepart.errors import Deferred, StillReferred, TimepartError, UnknownName
from pg_timepart.findings import Code
from pg_timepart.logger import logger
from pg_timepart.maintenance.actions.base import Handler
from pg_timepart.maintenance.actions.handlers import handler_of
from pg_timepart.maintenance.context import Work
from pg_timepart.maintenance.executor import Session, open_session
from pg_timepart.maintenance.report import ActionResult
from pg_timepart.partitions.addresses import qualified
from pg_timepart.partitions.plan import Action
from pg_timepart.postgres.privileges import missing_rights
from pg_timepart.postgres.sqlstate import (
    INSUFFICIENT_PRIVILEGE,
    defect,
    ends_the_run,
    is_shortage,
    sentence,
    sqlstate,
)

_NOT_DONE = (Outcome.DEFERRED, Outcome.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ending:
    """How an action ended, and why."""

    outcome: Outcome
    detail: str
    code: Code | None = None
    is_passing: bool = False
    fatal: Exception | None = None
    """An error after which no other action is tried."""


def apply(work: Work, actions: Iterable[Action]) -> Iterator[ActionResult]:
    """Apply the actions in order and yield the result of each.

    Actions on the same partition after one that did not happen are left out: a partition that could
    not be detached is not moved, but one whose foreign keys could not be dropped is. Errors become
    a result: those of the server (also where it lacks a resource, which may be free for the next
    action), those of this package, and defects of it. A lost connection, and a server that takes no
    writes, are raised after the result that they end; the interruptions of ``work`` are raised at
    once.
    """
    for action in actions:
        if action.oid in work.stopped:
            continue
        handler = handler_of(work, action)
        result, fatal = _apply_one(handler)
        yield result
        if fatal is not None:
            raise fatal
        is_over = handler.stops_what_follows and result.outcome in _NOT_DONE
        if is_over and action.oid is not None:  # what is to be created has none yet
            work.stopped.add(action.oid)


def _apply_one(handler: Handler) -> tuple[ActionResult, Exception | None]:
    work, action = handler.work, handler.action
    budget = work.target.lock_budget(is_urgent=handler.is_urgent)
    session = open_session(work.target.connection, budget, work.waited_seconds)
    begun = time.monotonic()
    ending = _perform(handler, session)
    work.waited_seconds += session.waiting.seconds
    result = ActionResult(
        kind=action.kind,
        partition=session.made or action.partition,
        oid=action.oid,
        outcome=ending.outcome,
        seconds=time.monotonic() - begun,
        waited_seconds=session.waiting.seconds,
        detail=" ".join([ending.detail, *session.remarks]),
        code=ending.code,
        is_passing=ending.is_passing,
        statements=tuple(session.statements),
    )
    return result, ending.fatal


def _perform(handler: Handler, session: Session) -> _Ending:
    work = handler.work
    try:
        if not work.is_lock_held():
            raise Deferred("The connection that held the advisory lock was lost.")
        _refuse_unknown_tablespace(work, handler.action)
        detail = handler.perform(session)
    except Deferred as error:
        _give_up(handler)
        code = Code.STILL_REFERRED if isinstance(error, StillReferred) else None
        return _Ending(outcome=Outcome.DEFERRED, detail=str(error), code=code)
    except TimepartError as error:
        _give_up(handler, may_yet_be_done=False)
        return _Ending(outcome=Outcome.FAILED, detail=str(error))
    except (DatabaseError, InterfaceError) as error:
        return _ended_by_server(handler, error)
    except work.interruptions:
        raise
    except Exception as error:  # noqa: BLE001  # a defect of ours stops no other partition
        return _ended_by_defect(handler, error)
    return _Ending(outcome=Outcome.DONE, detail=detail)


def _ended_by_defect(handler: Handler, error: Exception) -> _Ending:
    """Return how the action ended; no other follows where the connection is unusable."""
    action = handler.action
    logger.error("%s of %s", action.kind, action.partition, exc_info=error)
    is_usable = handler.work.target.connection.is_usable()
    if is_usable:
        _give_up(handler)
    return _Ending(outcome=Outcome.FAILED, detail=defect(error), fatal=None if is_usable else error)


def _ended_by_server(handler: Handler, error: DatabaseError | InterfaceError) -> _Ending:
    if ends_the_run(error) or not handler.work.target.connection.is_usable():
        return _Ending(outcome=Outcome.FAILED, detail="was cut short.", fatal=error)
    _give_up(handler)
    detail = sentence(error)
    if sqlstate(error) == INSUFFICIENT_PRIVILEGE:
        detail = f"{detail} {_remedy(handler.work, handler.action)}"
    return _Ending(outcome=Outcome.FAILED, detail=detail, is_passing=is_shortage(error))


def _remedy(work: Work, action: Action) -> str:
    """Return what the role, or the server's account, lacks for the action."""
    tablespace = action.tablespace or work.parent.tablespace
    there = (*work.parent.partitions, *work.parent.detached)
    stranger = next((each for each in there if each.oid == action.oid), work.parent)
    if stranger.owner != work.parent.owner:
        return (
            f"{qualified(stranger)} belongs to the role {stranger.owner}: a partition must belong"
            f" to {work.parent.owner}, as {qualified(work.parent)} does."
        )
    referenced = work.template().referenced
    missing = missing_rights(work.target.connection, work.parent, tablespace, referenced)
    if missing:
        return f"What is missing: {'; '.join(missing)}."
    if tablespace is None:
        return ""
    return (
        "The role lacks no right, so it is a file: see that the folder of the tablespace"
        f" {tablespace} belongs to the account of the server."
    )


def _refuse_unknown_tablespace(work: Work, action: Action) -> None:
    if action.tablespace and action.tablespace not in work.known_tablespaces:
        raise UnknownName("tablespace", action.tablespace, sorted(work.known_tablespaces))


def _give_up(handler: Handler, *, may_yet_be_done: bool = True) -> None:
    """Remove what begin() recorded, unless the operation is past the point of return.

    A pending detach shows in the catalog: the next pass finalizes it.
    """
    log = handler.work.log_of(handler.action.oid)
    if log is not None and log.unfinished == handler.action.kind.value:
        handler.give_up(log, may_yet_be_done=may_yet_be_done)
