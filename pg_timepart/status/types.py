"""Status of a partitioned table and of its partitions, as values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from pg_timepart.constants import State
from pg_timepart.findings import Code, Finding, Severity, findings_as_json
from pg_timepart.partitions.bounds import BoundLiterals, Bounds
from pg_timepart.status.sizes import Figures


class Health(StrEnum):
    """How urgent the problems of a table are."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    """INSERTs fail, or are about to."""


def health_of(findings: Iterable[Finding]) -> Health:
    """Return the health of a table with these problems."""
    found = {each.severity for each in findings}
    if Severity.CRITICAL in found:
        return Health.CRITICAL
    return Health.WARNING if found else Health.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionStatus(Figures):
    """One partition, attached or not."""

    oid: int
    name: str
    schema: str
    address: str
    """The name to give to commands: ``name``, or ``schema.name`` where the name is ambiguous."""

    bounds: Bounds | None
    """None for a default partition."""

    literals: BoundLiterals | None = None
    """The bounds as values of the key; None where the moments say the same, or for want of any."""

    state: State
    tablespace: str
    pinned_until: datetime | None
    """The pin: no pass retires or drops it before this moment."""

    detached_at: datetime | None
    unfinished: str
    """The operation that was interrupted: ``detach``, ``move``, ...; else empty."""

    obstacles: tuple[str, ...] = ()
    """Column differences that prevent ATTACH, each with the SQL that ends it."""

    def as_json(self) -> dict[str, Any]:
        """Return it in JSON types only."""
        return {
            "partition": self.name,
            "schema": self.schema,
            "start": _iso(self.bounds.start if self.bounds else None),
            "end": _iso(self.bounds.end if self.bounds else None),
            "literals": asdict(self.literals) if self.literals else None,
            "state": self.state.value,
            "tablespace": self.tablespace,
            **self.figures_as_json(),
            "pinned_until": _iso(self.pinned_until),
            "detached_at": _iso(self.detached_at),
            "unfinished": self.unfinished,
            "obstacles": list(self.obstacles),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStatus:
    """One partitioned model, whatever state its table is in."""

    label: str
    """The model, ``app.model``."""

    table: str
    """``schema.table``, unquoted; as the model names it where it does not exist."""

    alias: str
    """The database."""

    health: Health
    problems: tuple[Finding, ...]
    """Findings: what is wrong and what to do, the most urgent first."""

    period: str
    """Size of a partition in words: ``1 month``, ``15 minutes``."""

    interval: int | None
    """How many periods stay attached; None keeps all."""

    premake: int
    is_enabled: bool
    read_at: datetime | None
    """The server's clock; None where nothing could be read."""

    runs_out_at: datetime | None
    """The first moment whose INSERT would fail; None where none would, or nothing is known."""

    overdue_since: datetime | None
    """When the late scheduled pass was due; None where none is late."""

    partitions: tuple[PartitionStatus, ...]
    gaps: tuple[Bounds, ...]
    """Ranges between the first and the last partition that none covers."""

    last_outcome: str
    """The outcome of the last run that had something to do; empty where there was none."""

    last_message: str
    last_run_at: datetime | None
    last_checked_at: datetime | None

    @property
    def notes(self) -> tuple[Finding, ...]:
        """Return findings that are not problems, but good to know in time."""
        kept = [each for each in self.partitions if each.obstacles]
        if not kept:
            return ()
        last = kept[-1]
        note = Finding(
            Code.COLUMNS_DIFFER,
            f"{len(kept)} of the detached partitions cannot be attached as they are, since their"
            f" columns are not the table's. Of {last.address}: {'; '.join(last.obstacles)}.",
        )
        return (note,)

    @property
    def runway(self) -> timedelta | None:
        """Time until the first INSERT would fail; None if none would, or nothing is known."""
        if self.runs_out_at is None or self.read_at is None:
            return None
        return self.runs_out_at - self.read_at

    @property
    def attached_count(self) -> int:
        """How many partitions are attached, the default one and pending detaches included."""
        return len(self.partitions) - self.detached_count

    @property
    def detached_count(self) -> int:
        """How many of our partitions are detached."""
        return sum(each.state is State.DETACHED for each in self.partitions)

    @property
    def total_bytes(self) -> int:
        """Size of all partitions whose size is known, detached ones included."""
        return sum(each.size_bytes or 0 for each in self.partitions)

    def as_json(self) -> dict[str, Any]:
        """Return it in JSON types only; moments are ISO 8601 in UTC, durations are seconds."""
        runway = self.runway
        return {
            "model": self.label,
            "table": self.table,
            "database": self.alias,
            "health": self.health.value,
            **findings_as_json(problems=self.problems, notes=self.notes),
            "period": self.period,
            "interval": self.interval,
            "premake": self.premake,
            "enabled": self.is_enabled,
            "read_at": _iso(self.read_at),
            "runs_out_at": _iso(self.runs_out_at),
            "runway_seconds": None if runway is None else runway.total_seconds(),
            "overdue_since": _iso(self.overdue_since),
            "attached": self.attached_count,
            "detached": self.detached_count,
            "total_bytes": self.total_bytes,
            "gaps": [{"start": _iso(each.start), "end": _iso(each.end)} for each in self.gaps],
            "last_outcome": self.last_outcome,
            "last_message": self.last_message,
            "last_run_at": _iso(self.last_run_at),
            "last_checked_at": _iso(self.last_checked_at),
            "partitions": [each.as_json() for each in self.partitions],
        }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()
