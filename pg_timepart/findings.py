"""Findings of plans, runs and status: sentences for a person, each with a stable code.

Programs recognise a finding by its code; the words of its sentence may change in any release.
docs/findings.md lists the codes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How urgent a finding is."""

    INFO = "info"
    """Nobody needs to act."""

    WARNING = "warning"
    """Somebody should act within days."""

    CRITICAL = "critical"
    """INSERTs fail or are about to, or nobody can tell whether they do."""


class Code(StrEnum):
    """The codes of all findings, each with its severity."""

    severity: Severity

    def __new__(cls, value: str, severity: Severity) -> Code:
        """Make a member that is its word, and knows its severity."""
        code = str.__new__(cls, value)
        code._value_ = value
        code.severity = severity
        return code

    # Room for new rows
    NO_ROOM = "no_room", Severity.CRITICAL
    ROOM_ENDS_SOON = "room_ends_soon", Severity.CRITICAL
    ROOM_IS_SHORT = "room_is_short", Severity.WARNING
    KEY_ENDS = "key_ends", Severity.WARNING
    ROWS_GO_TO_DEFAULT = "rows_go_to_default", Severity.WARNING

    # The table and its config
    UNREADABLE = "unreadable", Severity.CRITICAL
    NO_TABLE = "no_table", Severity.CRITICAL
    KEY_FORMAT_CONTRADICTED = "key_format_contradicted", Severity.CRITICAL
    INVALID_CONFIG = "invalid_config", Severity.CRITICAL
    INVALID_SETTINGS = "invalid_settings", Severity.CRITICAL
    DISABLED = "disabled", Severity.WARNING
    CONFIG_DISPUTED = "config_disputed", Severity.WARNING
    OTHER_TOOL = "other_tool", Severity.WARNING
    NOT_PLANNED = "not_planned", Severity.WARNING
    UNATTENDED = "unattended", Severity.WARNING
    UNATTENDED_AND_FULL = "unattended_and_full", Severity.CRITICAL

    # Partitions
    DETACH_INTERRUPTED = "detach_interrupted", Severity.WARNING
    RANGE_REFUSED = "range_refused", Severity.WARNING
    ACTION_INTERRUPTED = "action_interrupted", Severity.WARNING
    NOT_OURS = "not_ours", Severity.WARNING
    STILL_REFERRED = "still_referred", Severity.WARNING
    ON_ANOTHER_TABLE = "on_another_table", Severity.WARNING
    COLUMNS_DIFFER = "columns_differ", Severity.INFO
    DEFAULT_PARTITION = "default_partition", Severity.INFO
    GAP = "gap", Severity.INFO
    NOT_ALIGNED = "not_aligned", Severity.INFO
    NOT_ADOPTED = "not_adopted", Severity.INFO
    PARTITION_IS_GONE = "partition_is_gone", Severity.WARNING
    DROPPED_BEFORE = "dropped_before", Severity.INFO

    # Passes and their schedules
    TOO_MANY_TO_DETACH = "too_many_to_detach", Severity.WARNING
    TOO_MANY_TO_CREATE = "too_many_to_create", Severity.WARNING
    CLOCKS_DIFFER = "clocks_differ", Severity.WARNING
    LAST_RUN_FAILED = "last_run_failed", Severity.WARNING
    RUNS_DEFERRED = "runs_deferred", Severity.WARNING
    SCHEDULES_UNREADABLE = "schedules_unreadable", Severity.WARNING
    NO_SCHEDULE = "no_schedule", Severity.WARNING
    SCHEDULE_OFF = "schedule_off", Severity.WARNING
    PASS_NOT_SENT = "pass_not_sent", Severity.WARNING
    PASS_NOT_TAKEN = "pass_not_taken", Severity.WARNING
    NO_PASS = "no_pass", Severity.WARNING

    # Advice on statements
    STATEMENTS_UNKNOWN = "statements_unknown", Severity.WARNING
    STATEMENTS_LEFT_OUT = "statements_left_out", Severity.INFO

    # Repairs of PartitionLog rows and of comments
    LOG_ADDED = "log_added", Severity.INFO
    LOG_ADOPTED = "log_adopted", Severity.INFO
    LOG_CHANGED = "log_changed", Severity.INFO
    LOG_DETACHED = "log_detached", Severity.INFO
    LOG_REMOVED = "log_removed", Severity.INFO
    DETACH_NOT_BEGUN = "detach_not_begun", Severity.INFO
    COMMENTS_RENAMED = "comments_renamed", Severity.INFO


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a person should know. ``str()`` gives its sentence."""

    code: Code
    sentence: str
    """What it is, and what to do about it."""

    without_message: str = ""
    """The sentence for users who may not see runs, where it repeats a run's message; else empty."""

    @property
    def severity(self) -> Severity:
        """Return how urgent it is, which its code says."""
        return self.code.severity

    def redacted(self) -> Finding:
        """Return the finding without a run's message."""
        return Finding(self.code, self.without_message or self.sentence)

    def as_json(self) -> dict[str, str]:
        """Return it in JSON types only."""
        return {
            "code": self.code.value,
            "severity": self.severity.value,
            "sentence": self.sentence,
        }

    def __str__(self) -> str:
        return self.sentence


def findings_as_json(**lists: Iterable[Finding]) -> dict[str, Any]:
    """Return the sentences of each list under its name, and under ``findings`` all with codes."""
    found = {name: list(findings) for name, findings in lists.items()}
    words: dict[str, Any] = {name: [*map(str, each)] for name, each in found.items()}
    coded = [{"list": name, **one.as_json()} for name, each in found.items() for one in each]
    return {**words, "findings": coded}


def sentences(findings: Iterable[Finding]) -> str:
    """Return the sentences of the findings in one line."""
    return " ".join(map(str, findings))
