"""Actions that complete interrupted ones, planned from our logs and the catalog. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pg_timepart.constants import ActionKind
from pg_timepart.partitions.plan import Action, Known, PlanInput, Policy
from pg_timepart.partitions.tables import Parent, Partition

_ENDS_WITHOUT_KEYS = {ActionKind.ATTACH, ActionKind.DROP}
"""Actions that need the foreign keys of a detached partition, or drop them themselves."""


def releases(parent: Parent) -> Iterator[Action]:
    """Yield releases of exclusion CHECKs that an interrupted run left on a default partition.

    Requires the table's advisory lock: another run may still need them.
    """
    default = parent.default
    if default is not None and default.exclusion_checks:
        yield Action(
            kind=ActionKind.RELEASE,
            partition=default.name,
            bounds=None,
            oid=default.oid,
            reason="refuses rows for a create or attach that was cut short",
        )


def finalizations(given: PlanInput) -> Iterator[Action]:
    """Yield finalizes of all pending detaches, with their follow-up actions.

    Where an attach of the partition was begun since then, that finalizes the detach itself.
    """
    rows = given.known_by_oid
    for each in given.parent.partitions:
        if each.is_pending and not _is_called_off(rows.get(each.oid)):
            action = Action(
                kind=ActionKind.FINALIZE,
                partition=each.name,
                bounds=each.bounds,
                oid=each.oid,
                reason="a detach is pending",
            )
            yield action
            row = rows.get(each.oid)
            tablespace = row.tablespace if row else None
            yield from after_detach(action, given, each, tablespace)


def interrupted(given: PlanInput) -> Iterator[Action]:
    """Yield actions that began, by our logs, and have not ended, by the catalog.

    A detach by retention that did not begin on the server is left for retention to plan anew: the
    config may have been corrected since.
    """
    parent = given.parent
    present = {each.oid: each for each in (*parent.partitions, *parent.detached)}
    for row in given.known:
        partition = present.get(row.oid)
        if row.unfinished is None or partition is None:
            continue
        if partition.is_pending and not _is_called_off(row):
            continue
        if row.unfinished is ActionKind.DETACH and not (partition.is_attached and row.is_asked):
            continue
        if _is_called_off(row) and partition.is_attached and not partition.is_pending:
            continue
        action = Action(
            kind=row.unfinished,
            partition=partition.name,
            bounds=partition.bounds or row.bounds,
            oid=row.oid,
            tablespace=_destination(row, partition, given.policy),
            reason="was interrupted",
            is_asked=row.is_asked or row.unfinished is ActionKind.DROP,
        )
        yield action
        if row.unfinished is ActionKind.DETACH:
            yield from after_detach(action, given, partition, row.tablespace)


def _destination(row: Known, partition: Partition, policy: Policy) -> str | None:
    """Return the destination; a move after retiring goes where the policy says now."""
    if row.unfinished is ActionKind.MOVE and not (row.is_asked or partition.is_attached):
        return policy.detach_tablespace or partition.tablespace
    return row.tablespace


def _is_called_off(row: Known | None) -> bool:
    """Whether an attach of the partition is unfinished, so that a pending detach must not stand."""
    return row is not None and row.unfinished is ActionKind.ATTACH


def unlinkings(given: PlanInput, leaving: Iterable[int | None] = ()) -> Iterator[Action]:
    """Yield unlinks of detached partitions that still have foreign keys.

    Not of those being attached or dropped, of another owner's, and of ``leaving``.
    """
    left_alone = set(leaving)
    rows = {row.oid: row for row in given.known if row.unfinished not in _ENDS_WITHOUT_KEYS}
    for each in given.parent.detached:
        is_ours = each.owner == given.parent.owner and each.oid in rows
        if is_ours and each.oid not in left_alone and _is_to_unlink(given, each):
            yield Action(
                kind=ActionKind.UNLINK,
                partition=each.name,
                bounds=rows[each.oid].bounds,
                oid=each.oid,
                reason="detached",
            )


def _is_to_unlink(given: PlanInput, partition: Partition) -> bool:
    has_any = given.parent if partition.is_attached else partition
    return has_any.has_foreign_keys and not given.policy.keep_foreign_keys


def after_detach(
    detach: Action, given: PlanInput, partition: Partition, tablespace: str | None
) -> Iterator[Action]:
    """Yield the actions after a detach: unlink, and move, as the policy wants."""
    if _is_to_unlink(given, partition):
        yield replace(detach, kind=ActionKind.UNLINK, tablespace=None, reason="detached")
    if tablespace and tablespace != partition.tablespace:
        yield replace(detach, kind=ActionKind.MOVE, tablespace=tablespace, reason="detached")
