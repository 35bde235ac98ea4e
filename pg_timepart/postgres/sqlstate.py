"""Errors of the server by SQLSTATE: which are worth another try, and their sentence for people."""

from __future__ import annotations

import traceback

from django.db import DatabaseError, InterfaceError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

# https://www.postgresql.org/docs/current/errcodes-appendix.html
LOCK_NOT_AVAILABLE = "55P03"
QUERY_CANCELED = "57014"
DEADLOCK_DETECTED = "40P01"
READ_ONLY = "25006"
IDLE_IN_TRANSACTION = "25P03"
TRANSACTION_TIMEOUT = "25P04"
INSUFFICIENT_PRIVILEGE = "42501"
FOREIGN_KEY_VIOLATION = "23503"

LOCK_NOT_OBTAINED = frozenset({LOCK_NOT_AVAILABLE, QUERY_CANCELED, DEADLOCK_DETECTED})
"""SQLSTATEs of an attempt that did not get its locks in time."""

MAX_DEFECT = 500
"""How many characters of an unforeseen error are shown."""

_GONE_CLASSES = ("08", "57P")
"""Connection exception, operator intervention such as a restart."""

_ENDED_FOR_ITS_TIME = frozenset({IDLE_IN_TRANSACTION, TRANSACTION_TIMEOUT})

_SHORT_CLASS = "53"
"""Insufficient resources: disk, memory, locks, connections."""

_ADVICE = {
    READ_ONLY: (
        "The server is a standby, or default_transaction_read_only is on: maintenance needs the"
        " primary, and a role that may write."
    ),
    "53100": "Free or add room on that disk of the server.",
    "58P01": (
        "A file or folder of the server is missing: see that the disk of the tablespace is mounted"
        " where it was."
    ),
}
_GONE_ADVICE = (
    "The connection to the server was lost or refused. What was begun is ended by the next run."
)


def sqlstate(error: BaseException) -> str | None:
    """Return the SQLSTATE that the server sent, or None; psycopg2 and 3 name it differently."""
    cause = error.__cause__
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)


def is_passing_fault(error: BaseException) -> bool:
    """Return whether a later try, on a new connection, is likely to help.

    A connection that was lost or refused, or that the server ended because we paused too long
    under a lock, or because of transaction_timeout; a server that restarts, is full, or is
    read-only because it has just been failed over from.
    """
    return ends_the_run(error) or is_shortage(error)


def ends_the_run(error: BaseException) -> bool:
    """Return whether the run must end: no connection, or a server without writes."""
    if not isinstance(error, DatabaseError | InterfaceError):
        return False
    state = sqlstate(error)
    return _is_gone(error) or state == READ_ONLY


def is_shortage(error: BaseException) -> bool:
    """Return whether the server lacked a resource for just this statement."""
    return isinstance(error, DatabaseError) and (sqlstate(error) or "").startswith(_SHORT_CLASS)


def sentence(error: BaseException) -> str:
    """Return the server's error on one line, with its detail and hint, and what to do.

    What to do is left out where only the server's own words are known.
    """
    return " ".join(filter(None, (_words(error), _advice(error))))


def in_words(error: Exception) -> str:
    """Return the sentence of an error, be it the server's or one of this package."""
    if isinstance(error, DatabaseError | InterfaceError):
        return sentence(error)
    return str(error) or type(error).__name__


def defect(error: Exception) -> str:
    """Return the sentence of an unforeseen error, which may contain any text."""
    last_line = traceback.format_exception_only(error)[-1]
    said = " ".join(last_line.replace("\0", " ").split())[:MAX_DEFECT]
    said = said.encode(errors="backslashreplace").decode()
    return f"This is a defect of pg_timepart, whose traceback is in the log: {_ended(said)}"


def renew(connection: BaseDatabaseWrapper) -> None:
    """Close a connection that the server has ended, so that its next use opens a new one.

    Inside a transaction of the caller it is left to the caller.
    """
    if not connection.in_atomic_block and not connection.is_usable():
        connection.close()


def _is_gone(error: BaseException) -> bool:
    state = sqlstate(error)
    if state is None:
        return isinstance(error, InterfaceError | OperationalError)
    return state in _ENDED_FOR_ITS_TIME or state.startswith(_GONE_CLASSES)


def _words(error: BaseException) -> str:
    diagnosis = getattr(error.__cause__, "diag", None)
    parts = (getattr(diagnosis, f"message_{part}", None) for part in ("primary", "detail", "hint"))
    said = [_ended(" ".join(str(part).split())) for part in parts if part]
    return " ".join(said) or _ended(" ".join(str(error).split()))


def _ended(words: str) -> str:
    return words if words.endswith((".", "!", "?")) else f"{words}."


def _advice(error: BaseException) -> str:
    if isinstance(error, DatabaseError | InterfaceError) and _is_gone(error):
        return _GONE_ADVICE
    return _ADVICE.get(sqlstate(error) or "", "")
