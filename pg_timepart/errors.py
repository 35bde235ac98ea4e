"""Errors that pg_timepart raises on purpose.

The message of each error is the sentence that a person reads: it names the wrong value and what
would be right. Nothing in this package, and nothing in yours, needs to parse it.
"""

from __future__ import annotations


class TimepartError(Exception):
    """Base of every error that this package raises."""


class InvalidPolicy(TimepartError, ValueError):
    """A period, interval, premake or other policy value cannot be used."""


class InvalidSetting(TimepartError, ValueError):
    """A setting is unknown or has a value that cannot be used."""


class UnknownName(TimepartError, LookupError):
    """A model, partition, tablespace, zone or period of this name does not exist."""

    def __init__(self, kind: str, name: str, known: list[str]) -> None:
        # Its arguments make it anew where Celery unpacks it from a result.
        super().__init__(kind, name, known)

    def __str__(self) -> str:
        kind, name, known = self.args
        return f"There is no {kind} named {name!r}. Known: {', '.join(sorted(known)) or 'none'}."


class AmbiguousName(TimepartError, LookupError):
    """More than one table has this name, so nothing was done to any."""

    def __init__(self, kind: str, name: str, matches: list[str], clear: list[str]) -> None:
        # As for UnknownName. ``clear`` are names that mean one of the matches alone.
        super().__init__(kind, name, matches, clear)

    def __str__(self) -> str:
        kind, name, matches, clear = self.args
        named = f"{name!r} is the name of {len(matches)} {kind}: {', '.join(matches)}."
        if not clear:
            return f"{named} Rename one of them first."
        return f"{named} Give the one that is meant, such as {clear[0]!r}."


class NotPartitioned(TimepartError):
    """The model's table is missing, or is not partitioned by range of the declared column."""


class KeyFormatContradicted(NotPartitioned):
    """The bounds of the model's table are not of the key format that it declares."""


class InsideTransaction(TimepartError):
    """The statement cannot run inside a transaction block."""


class Refused(TimepartError):
    """The request would break an invariant, so nothing was done."""


class Conflict(TimepartError):
    """Something in the database forbids the action, and only a person may decide about it."""


class Deferred(TimepartError):
    """Another session holds a needed lock. A later run can end what was begun."""


class StillReferred(Deferred):
    """Rows of other tables refer to the partition, so the server does not let it be detached."""


class OperationFailed(TimepartError):
    """An operation asked for by hand ended ``failed``; ``report`` says what was done before."""

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message)
        self.report = report


class OperationDeferred(Deferred):
    """An operation asked for by hand ended ``deferred``; ``report`` says what was done before."""

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message)
        self.report = report
