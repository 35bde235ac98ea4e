"""Constants that users type and records hold: periods, outcomes, kinds of actions, states."""

from __future__ import annotations

from enum import StrEnum

from django.db.models import TextChoices


class PeriodType(TextChoices):
    """The unit of a partition's size. Stored and compared as these words."""

    Minute = "Minute", "Minute"
    Hour = "Hour", "Hour"
    Day = "Day", "Day"
    Week = "Week", "Week"
    Month = "Month", "Month"
    Quarter = "Quarter", "Quarter"
    Year = "Year", "Year"


class Outcome(StrEnum):
    """How an action, or a whole run, ended."""

    DONE = "done"
    UNCHANGED = "unchanged"
    DEFERRED = "deferred"
    FAILED = "failed"


class ActionKind(StrEnum):
    """Kinds of actions on one partition."""

    RELEASE = "release"
    """Drops the exclusion CHECKs that an interrupted run left on a default partition."""

    FINALIZE = "finalize"
    CREATE = "create"
    DETACH = "detach"
    UNLINK = "unlink"
    """Drops the foreign keys of a detached partition. The catalog shows what is left to do."""

    ATTACH = "attach"
    MOVE = "move"
    DROP = "drop"
    TRUNCATE = "truncate"


class State(StrEnum):
    """State of a partition with regard to its parent."""

    ATTACHED = "attached"
    DETACHED = "detached"
    PENDING = "pending"
    """A concurrent detach began and did not end."""

    DEFAULT = "default"
    """Takes the rows that no other partition takes."""
