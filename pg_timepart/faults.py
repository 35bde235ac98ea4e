"""Which errors of the server go away by themselves."""

from __future__ import annotations

from django.db import DatabaseError, InterfaceError, OperationalError

# https://www.postgresql.org/docs/current/errcodes-appendix.html
LOCK_NOT_AVAILABLE = "55P03"
QUERY_CANCELED = "57014"
DEADLOCK_DETECTED = "40P01"
READ_ONLY = "25006"
IDLE_IN_TRANSACTION = "25P03"

GAVE_WAY = frozenset({LOCK_NOT_AVAILABLE, QUERY_CANCELED, DEADLOCK_DETECTED})
"""A try that did not get its locks in time."""

_PASSING_CLASSES = ("08", "53", "57P")
"""Connection exception, insufficient resources, operator intervention such as a restart."""


def sqlstate(error: BaseException) -> str | None:
    """Return the SQLSTATE that the server sent, or None; psycopg2 and 3 name it differently."""
    cause = error.__cause__
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)


def is_passing_fault(error: BaseException) -> bool:
    """Return whether trying again later, on a new connection, is likely to help.

    A connection that was lost or refused, or that the server ended because we paused too long
    under a lock; a server that restarts, is full, or is read-only because it has just been failed
    over from.
    """
    if not isinstance(error, DatabaseError | InterfaceError):
        return False
    state = sqlstate(error)
    if state is None:
        return isinstance(error, InterfaceError | OperationalError)
    return state in (READ_ONLY, IDLE_IN_TRANSACTION) or state.startswith(_PASSING_CLASSES)
