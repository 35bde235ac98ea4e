"""Findings about one partitioned table: what is wrong, how urgent it is, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from pg_timepart import conf
from pg_timepart.constants import Outcome
from pg_timepart.errors import InvalidPolicy, KeyFormatContradicted
from pg_timepart.findings import Code, Finding, Severity
from pg_timepart.maintenance.target import Target
from pg_timepart.models import PartitionConfig, PartitionLog
from pg_timepart.partitions.bounds import Bounds
from pg_timepart.partitions.key_limits import key_limits
from pg_timepart.partitions.plan import Policy
from pg_timepart.partitions.retention import edge_of, is_past, is_pinned
from pg_timepart.partitions.tables import Parent
from pg_timepart.postgres.inheritance import read_links
from pg_timepart.postgres.lock_holders import Holder, advisory_holders
from pg_timepart.postgres.sqlstate import sentence, sqlstate
from pg_timepart.postgres.unattached_tables import objection
from pg_timepart.status.deferrals import REPEATED, was_well_since

A_YEAR = timedelta(days=365)
"""How long before the values of a key end somebody must know: changing its type takes time."""

_URGENCY = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}

_NOT_MIGRATED = {"42P01", "42703"}
"""Undefined table, undefined column."""


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings with the most urgent first."""
    return sorted(findings, key=lambda each: _URGENCY[each.severity])


def unreadable(what: str, error: Exception) -> Finding:
    """Return the finding that ``what`` could not be read, so that its tables are unknown."""
    return Finding(Code.UNREADABLE, f"{what} cannot be read. {in_one_line(error)}")


def in_one_line(error: Exception) -> str:
    """Return the database's error in one line, and what to do where our tables are not migrated."""
    is_missing = sqlstate(error) in _NOT_MIGRATED
    advice = "Run migrate first, or see that our tables are in search_path. " if is_missing else ""
    return f"{advice}The database says: {sentence(error)}"


def no_table(error: Exception) -> Finding:
    """Return the finding that there is no table as declared, with the sentence of ``error``."""
    is_there = isinstance(error, KeyFormatContradicted)
    return Finding(Code.KEY_FORMAT_CONTRADICTED if is_there else Code.NO_TABLE, str(error))


def runs_deferred(config: PartitionConfig, holders: Sequence[Holder]) -> Finding:
    """Return the finding that the last runs were all deferred, with holders of the advisory lock.

    Any role that may connect can take that lock: PostgreSQL has no privilege on advisory locks.
    """
    words = []
    for each in holders:
        words.append(f"Its advisory lock is held now by {each}.")
        words.append(
            "Its role is not the one that asks for this status: if it maintains nothing,"
            f" end its session by pg_terminate_backend({each.pid}), and take CONNECT from it."
            if each.pid and each.is_of_our_role is False
            else "If no run is at work there, end it."
        )
    what = f"The last {REPEATED} runs were deferred"
    return Finding(
        Code.RUNS_DEFERRED,
        " ".join([f"{what}, and the last said: {config.last_message}", *words]),
        without_message=" ".join([f"{what}.", *words]),
    )


def assess(
    target: Target, parent: Parent, rows: Sequence[PartitionLog], runs_out: datetime | None
) -> Iterator[Finding]:
    """Yield the findings on the table, as of ``parent.read_at``.

    ``runs_out`` is the first moment whose INSERT would fail; None where there is none.
    """
    try:
        policy = target.policy(parent)
    except InvalidPolicy as error:
        yield Finding(
            Code.INVALID_CONFIG,
            f"The config of {target.label} cannot be used, so no pass runs: {error}",
        )
        policy = None
    yield from _room(target.label, parent, policy, runs_out)
    yield from _key_limits(parent, policy)
    yield from _interrupted(target, parent, rows)
    yield from _still_referred(parent, policy, rows)
    yield from _estranged(target, parent)
    yield from _elsewhere(target, parent, rows)
    yield from _operation(target.config)


def _room(
    label: str, parent: Parent, policy: Policy | None, runs_out: datetime | None
) -> Iterator[Finding]:
    """Yield a finding where the runway is short.

    Less than one period is critical; less than half of ``premake`` periods is a warning. Where
    ``premake`` is one period, half of it is left for the next pass to come.
    """
    now = parent.read_at
    advice = f"Run timepart maintain {label}, and see that its schedule runs."
    has_values = parent.span.contains(now)
    if not has_values or (runs_out is not None and runs_out == parent.span.end):
        advice = f"The values of {parent.key} end then, whatever partitions there are."
    if runs_out is None or (parent.default is not None and has_values):
        if parent.default is not None and not _is_covered(parent, now):
            yield Finding(
                Code.ROWS_GO_TO_DEFAULT,
                f"New rows go into the default partition {parent.default.name}, for no other"
                f" covers now. {advice}",
            )
    elif runs_out <= now:
        yield Finding(
            Code.NO_ROOM, f"No partition covers now: every INSERT of a new row fails. {advice}"
        )
    elif policy and runs_out < _ahead(policy, now, min(2, policy.premake)):
        yield Finding(
            Code.ROOM_ENDS_SOON,
            f"There are partitions until {conf.local_time(runs_out)} only; from then on every"
            f" INSERT of a new row fails. {advice}",
        )
    elif policy and runs_out < _ahead(policy, now, policy.premake):
        yield Finding(
            Code.ROOM_IS_SHORT,
            f"There are partitions until {conf.local_time(runs_out)}, less than half of the"
            f" {policy.premake} periods that should be ready. {advice}",
        )


def _key_limits(parent: Parent, policy: Policy | None) -> Iterator[Finding]:
    """Yield the finding that the values of the key end within a year, or before ``premake`` do."""
    if parent.span == Bounds(start=None, end=None):
        return
    now = parent.read_at
    ahead = _ahead(policy, now, 2 * policy.premake) if policy else now
    yield from key_limits(parent, Bounds(start=now, end=max(ahead, now + A_YEAR)))


def _ahead(policy: Policy, now: datetime, halves: int) -> datetime:
    """Return the moment that is so many half periods from now."""
    whole = policy.period.shift(now, halves // 2, policy.zone)
    if halves % 2 == 0:
        return whole
    return whole + (policy.period.shift(now, halves // 2 + 1, policy.zone) - whole) / 2


def _is_covered(parent: Parent, now: datetime) -> bool:
    return any(
        each.bounds is not None and each.bounds.contains(now) and not each.is_pending
        for each in parent.partitions
    )


def _interrupted(target: Target, parent: Parent, rows: Sequence[PartitionLog]) -> Iterator[Finding]:
    """Yield findings on actions begun and not ended, unless a run has the advisory lock."""
    label = target.label
    pending = {each.oid: each for each in parent.partitions if each.is_pending}
    refusing = [each for each in parent.partitions if each.exclusion_checks]
    is_begun = bool(pending) or bool(refusing) or any(row.unfinished for row in rows)
    if is_begun and advisory_holders(target.connection, parent):
        return
    for each in pending.values():
        yield Finding(
            Code.DETACH_INTERRUPTED,
            f"The detach of {each.name} was interrupted: rows of its range are refused until"
            f" timepart maintain {label} ends it.",
        )
    for each in refusing:
        yield Finding(
            Code.RANGE_REFUSED,
            f"{each.name} refuses rows of a range, because a create or attach was interrupted;"
            f" timepart maintain {label} ends that.",
        )
    for row in rows:
        if row.unfinished and row.relid not in pending:
            yield Finding(
                Code.ACTION_INTERRUPTED,
                f"The {row.unfinished} of {row.table_name} was interrupted;"
                f" timepart maintain {label} ends it.",
            )


def _still_referred(
    parent: Parent, policy: Policy | None, rows: Sequence[PartitionLog]
) -> Iterator[Finding]:
    """Yield findings on partitions past retention that rows of other tables keep attached.

    As the last pass found them: status reads no table of the application.
    """
    edge = edge_of(policy, parent.read_at) if policy else None
    attached = {each.oid: each for each in parent.ranged if not each.is_pending}
    for row in rows:
        leaf = attached.get(row.relid)
        is_kept = leaf is None or is_pinned(row.detach_time, parent.read_at)
        if row.still_referred and leaf and edge and not is_kept and is_past(leaf.bounds, edge):
            yield Finding(
                Code.STILL_REFERRED,
                f"{leaf.name} is past retention and stays attached. {row.still_referred}",
            )


def _estranged(target: Target, parent: Parent) -> Iterator[Finding]:
    """Yield findings on detached partitions that are not the table's any more."""
    for each in parent.detached:
        reason = objection(target.connection, parent, each)
        if reason is not None:
            yield Finding(Code.NOT_OURS, reason)


def _elsewhere(target: Target, parent: Parent, rows: Sequence[PartitionLog]) -> Iterator[Finding]:
    """Yield a finding on recorded partitions of another table, which no pass retires or forgets."""
    there = {each.oid for each in (*parent.partitions, *parent.detached)}
    absent = [row.relation for row in rows if row.relid not in there]
    found = read_links(target.connection, absent)
    if found:
        first = found[0]
        yield Finding(
            Code.ON_ANOTHER_TABLE,
            f"{first.partition.name}{f' and {len(found) - 1} more' if found[1:] else ''}, recorded"
            f" for {target.label}, {'are' if found[1:] else 'is'} attached to"
            f" {first.parent.schema}.{first.parent.name} and not to {parent.schema}.{parent.name}:"
            " no pass retires them, and their logs and pins stay. See docs/drift.md.",
        )


def _operation(config: PartitionConfig) -> Iterator[Finding]:
    if not config.enabled:
        yield Finding(
            Code.DISABLED,
            "Its maintenance is switched off: no schedule makes or retires partitions until"
            " the config is enabled.",
        )
    if config.last_outcome == Outcome.FAILED and not was_well_since(config):
        yield Finding(
            Code.LAST_RUN_FAILED,
            f"The last run failed: {config.last_message}",
            without_message="The last run failed.",
        )
