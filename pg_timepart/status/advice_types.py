"""Advice on the recorded statements of one partitioned table, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pg_timepart.findings import Finding, findings_as_json


class Reason(StrEnum):
    """Why a statement asks all partitions."""

    KEY_IN_EXPRESSION = "key_in_expression"
    """It has a condition on the key that prunes nothing: a function or a cast of it, or an OR."""

    BY_PRIMARY_KEY = "by_primary_key"
    """It looks for rows by the model's primary key, which is not the partition key."""

    OTHER_CONDITIONS = "other_conditions"
    """Its conditions say nothing of the key."""

    LIMIT_ALONE = "limit_alone"
    """It has no condition, and takes the first rows in some order."""

    WHOLE_TABLE = "whole_table"
    """It has no condition: a total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementAdvice:
    """One recorded statement that asks all partitions, and the filter that would help."""

    query_id: int
    """As in pg_stat_statements."""

    query: str
    """The text, with ``$1``, ``$2``, ... for its constants."""

    calls: int
    total_ms: float
    partitions: int
    """How many partitions its plan holds: all of the table's."""

    reason: Reason
    filter: str
    """What to add, as it is typed; empty where no filter would help."""

    sentence: str
    """Why, and what to do, for a person."""

    @property
    def mean_ms(self) -> float:
        """The time of one call."""
        return self.total_ms / self.calls

    def as_json(self) -> dict[str, Any]:
        """Return it in JSON types only; the id as text, for JavaScript has no such numbers."""
        return {
            "query_id": str(self.query_id),
            "query": self.query,
            "calls": self.calls,
            "total_ms": round(self.total_ms, 3),
            "mean_ms": round(self.mean_ms, 3),
            "partitions": self.partitions,
            "reason": self.reason.value,
            "filter": self.filter,
            "sentence": self.sentence,
        }


@dataclass(slots=True, kw_only=True)
class TableAdvice:
    """What is advised on the statements of one table."""

    label: str
    alias: str
    since: datetime | None = None
    """Since when the server has recorded statements."""

    examined: int = 0
    """How many of the recorded statements that name the table were planned."""

    statements: list[StatementAdvice] = field(default_factory=list)
    """Those that ask all partitions, the most time first."""

    problems: list[Finding] = field(default_factory=list)
    """Why nothing can be said."""

    notes: list[Finding] = field(default_factory=list)
    """What was not looked at."""

    def as_json(self) -> dict[str, Any]:
        """Return it in JSON types only; moments are in UTC."""
        return {
            "model": self.label,
            "database": self.alias,
            "since": None if self.since is None else self.since.astimezone(UTC).isoformat(),
            "examined": self.examined,
            "statements": [each.as_json() for each in self.statements],
            **findings_as_json(problems=self.problems, notes=self.notes),
        }
